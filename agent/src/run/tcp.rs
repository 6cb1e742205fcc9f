//! Requests to a workload's TCP servers, as people ask for them.

use trimtab_core::signal::Nanos;
use trimtab_ebpf::TcpHist;

use crate::{api::view::Tcp, fast::quantile};

/// What a histogram says; `requests_per_s` is that of the last tick.
pub(super) fn view(hist: &TcpHist, requests_per_s: u64) -> Tcp {
    Tcp {
        requests: requests(hist),
        requests_per_s,
        answered_p50_ns: quantile(&hist.answered, 500),
        answered_p99_ns: quantile(&hist.answered, 990),
        unread_p99_ns: quantile(&hist.unread, 990),
        bytes_in: hist.bytes_in,
        bytes_out: hist.bytes_out,
    }
}

/// Requests a second between two readings, to the nearest whole number.
pub(super) fn per_second(last: &TcpHist, now: &TcpHist, elapsed: Nanos) -> u64 {
    let answered = u128::from(requests(now).saturating_sub(requests(last)));
    let elapsed = u128::from(elapsed.0.max(1));
    let rate = (answered * u128::from(Nanos::SECOND.0) + elapsed / 2) / elapsed;
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn requests(hist: &TcpHist) -> u64 {
    hist.answered.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(times: &[(usize, u64)]) -> TcpHist {
        let mut hist = TcpHist::default();
        for (bucket, count) in times {
            hist.answered[*bucket] = *count;
        }
        hist
    }

    #[test]
    fn a_rate_is_that_of_the_time_between() {
        let (last, now) = (answered(&[(40, 10)]), answered(&[(40, 12), (50, 3)]));
        assert_eq!(per_second(&last, &now, Nanos::SECOND), 5);
        assert_eq!(per_second(&last, &now, Nanos(2 * Nanos::SECOND.0)), 3);
        assert_eq!(per_second(&now, &last, Nanos::SECOND), 0);
    }

    #[test]
    fn without_a_request_nothing_is_claimed() {
        let tcp = view(&TcpHist::default(), 0);
        assert_eq!(tcp, Tcp::default());
        let tcp = view(&answered(&[(40, 99), (60, 1)]), 7);
        assert_eq!((tcp.requests, tcp.requests_per_s), (100, 7));
        assert!(tcp.answered_p50_ns < tcp.answered_p99_ns.map(|ns| ns + 1));
        assert_eq!(tcp.unread_p99_ns, None);
    }
}
