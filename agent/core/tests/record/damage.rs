//! What a crash, a bad disk or another program leaves.

use crate::codec::{read, segment};
use proptest::prelude::*;
use trimtab_core::record::{Call, Decoder, Fault, Item, Next, Segment, cut};
use trimtab_core::signal::{Amount, Nanos, Slot};
use trimtab_core::snapshot::{CpuSignals, Snapshot, WorkloadSignals};

fn some() -> Vec<u8> {
    let ticks: Vec<_> = (1..6)
        .map(|second| {
            let now = Nanos(second * Nanos::SECOND.0);
            let cpu = CpuSignals {
                used: Amount(second * 77_777),
                ..CpuSignals::default()
            };
            let snapshot = Snapshot {
                time: now,
                elapsed: Nanos::SECOND,
                workloads: vec![WorkloadSignals {
                    slot: Slot(2),
                    cpu: Some(cpu),
                    memory: None,
                    latency: None,
                }],
                ..Snapshot::default()
            };
            (vec![Call::Remove(Slot(9))], now, snapshot)
        })
        .collect();
    segment(&ticks)
}

/// Where the frames begin, and where the last one ends.
fn places(bytes: &[u8]) -> Vec<usize> {
    let mut segment = Segment::open(bytes).unwrap();
    let mut places = Vec::new();
    while let Next::Frame { offset, .. } = segment.read().unwrap() {
        places.push(offset);
    }
    places.push(bytes.len());
    places
}

fn ticks(items: &[Item]) -> usize {
    let is_tick = |item: &&Item| matches!(item, Item::Tick(_));
    items.iter().filter(is_tick).count()
}

#[test]
fn an_end_torn_anywhere_is_found_and_what_is_before_it_is_read() {
    let bytes = some();
    let places = places(&bytes);
    for end in 0..bytes.len() {
        let torn = &bytes[..end];
        if end < places[0] {
            assert_eq!(Segment::open(torn).unwrap_err(), Fault::Header, "{end}");
            continue;
        }
        let whole = places.iter().rposition(|place| *place <= end).unwrap();
        let left = end - places[whole];
        assert_eq!(cut(torn), Ok(left), "{end}");
        let (items, length) = read(torn);
        assert_eq!(
            (ticks(&items), length),
            (whole.saturating_sub(1), left),
            "{end}"
        );
        // After a power cut, there may be nothing where there should be more.
        let mut empty = torn.to_vec();
        empty.resize(bytes.len() + 100, 0);
        if left == 0 {
            assert_eq!(cut(&empty), Ok(empty.len() - end), "{end}");
        }
    }
}

#[test]
fn a_flipped_bit_is_found_where_it_is() {
    let bytes = some();
    let places = places(&bytes);
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            let frame = places.iter().rposition(|begin| *begin <= place);
            let found = cut(&flipped);
            match frame {
                None if place < 8 => assert_eq!(found, Err(Fault::Foreign), "{place}.{bit}"),
                None if place < 10 => {
                    assert!(matches!(found, Err(Fault::Version(_))), "{place}.{bit}");
                }
                None => assert_eq!(found, Err(Fault::Header), "{place}.{bit}"),
                // At the very end nothing tells it from a frame that was being written.
                Some(frame) if frame + 2 == places.len() => {
                    let at = places[frame];
                    let torn = found == Ok(bytes.len() - at);
                    assert!(torn || found == Err(Fault::Damaged(at)), "{place}.{bit}");
                }
                Some(frame) => {
                    assert_eq!(found, Err(Fault::Damaged(places[frame])), "{place}.{bit}");
                }
            }
        }
    }
}

#[test]
fn faults_say_what_and_where() {
    let mut other = some();
    assert_eq!(
        Segment::open(b"[record]\nenabled = true")
            .unwrap_err()
            .to_string(),
        "this is no recording: it does not begin with `trimrec`"
    );
    other[8] = 9;
    assert_eq!(
        Segment::open(&other).unwrap_err().to_string(),
        "byte 8: the format's version is 9, and this program reads 6 only; use the program that recorded it"
    );
    // What was recorded before spends had a form of their own.
    other[8] = 1;
    assert_eq!(Segment::open(&other).unwrap_err(), Fault::Version(1));
    assert_eq!(
        Fault::Damaged(77).to_string(),
        "byte 77: the frame is damaged: its checksum does not match"
    );
}

/// A checksum protects against accidents only: what is whole but means nothing is refused too.
#[test]
fn what_makes_no_sense_is_refused() {
    let mut decoder = Decoder::new();
    let mut items = Vec::new();
    let fault = decoder.decode(40, &[2, 0, 0], &mut items).unwrap_err();
    assert_eq!(
        fault,
        Fault::Malformed(40, "a segment begins with the engine's state")
    );
    let bytes = some();
    let mut segment = Segment::open(&bytes).unwrap();
    while let Next::Frame { offset, payload } = segment.read().unwrap() {
        for end in 1..payload.len() {
            let mut short = Decoder::new();
            if offset > places(&bytes)[0] {
                let Next::Frame { payload, .. } = Segment::open(&bytes).unwrap().read().unwrap()
                else {
                    panic!("the first frame");
                };
                short.decode(0, payload, &mut items).unwrap();
            }
            // Between two items there is no telling.
            if let Err(fault) = short.decode(offset, &payload[..end], &mut items) {
                assert!(
                    matches!(fault, Fault::Malformed(at, _) if at == offset),
                    "{fault}"
                );
            }
        }
    }
}

/// A decoder that has read a segment's state.
fn begun() -> Decoder {
    let bytes = some();
    let mut decoder = Decoder::new();
    let state = match Segment::open(&bytes).unwrap().read().unwrap() {
        Next::Frame { payload, .. } => Some(payload),
        _ => None,
    };
    decoder.decode(0, state.unwrap(), &mut Vec::new()).unwrap();
    decoder
}

/// Kinds of items with figures as changes: a tick, and spends of either resource.
const CHANGES: std::ops::Range<u8> = 2..5;

proptest! {
    #[test]
    fn bytes_that_mean_nothing_do_no_harm(
        kind in CHANGES,
        rest in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let payload = [&[kind], &rest[..]].concat();
        let mut items = Vec::new();
        if let Err(fault) = begun().decode(40, &payload, &mut items) {
            prop_assert!(matches!(fault, Fault::Malformed(40, _)), "{fault}");
        } else {
            prop_assert!(!items.is_empty());
        }
    }
}
