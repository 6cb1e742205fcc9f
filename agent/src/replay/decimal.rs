//! Numbers as text, exactly: a trace is quantised once, and no float comes between.

/// Words for a value that is not known; compared without regard to case. An infinite value is none either.
const NOTHING: [&str; 12] = [
    "", "nan", "null", "none", "na", "n/a", "-", "inf", "+inf", "-inf", "infinity", "max",
];

/// Digits that are kept; what comes after them is less than any unit here can tell.
const DIGITS: u32 = 19;

/// A decimal number: `digits * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    digits: i128,
    exponent: i32,
}

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// A number.
    Is(Decimal),
    /// Nothing is known: empty, NaN, null, infinite.
    Nothing,
}

impl Number {
    /// Reads a field; `None` if it is neither a number nor a word for nothing.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if let Some(decimal) = Decimal::parse(text) {
            return Some(Self::Is(decimal));
        }
        let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
        NOTHING.into_iter().any(is).then_some(Self::Nothing)
    }
}

impl Decimal {
    /// `-12.5`, `.5`, `3`, `1.4e+09`; no thousands separators, no comma.
    fn parse(text: &[u8]) -> Option<Self> {
        let (negative, text) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&text[..at], exponent(&text[at + 1..])?),
            None => (text, 0),
        };
        let (mut digits, mut kept, mut shift) = (0i128, 0, exponent);
        let (mut seen, mut point) = (false, false);
        for byte in mantissa {
            match byte {
                b'.' if !point => point = true,
                b'0'..=b'9' => {
                    seen = true;
                    if kept < DIGITS {
                        digits = digits * 10 + i128::from(byte - b'0');
                        kept += u32::from(digits > 0);
                        shift = shift.saturating_sub(i32::from(point));
                    } else {
                        shift = shift.saturating_add(i32::from(!point));
                    }
                }
                _ => return None,
            }
        }
        seen.then_some(Self {
            digits: if negative { -digits } else { digits },
            exponent: shift,
        })
    }

    /// `self * numerator / denominator`, rounded to the nearest; what is too large for 64 bits is the largest
    /// that is not.
    pub(super) fn times(self, numerator: i64, denominator: i64) -> i64 {
        let huge = if self.digits < 0 { i64::MIN } else { i64::MAX };
        if self.digits == 0 {
            return 0;
        }
        let power = 10i128.checked_pow(self.exponent.unsigned_abs());
        let scaled = self.digits.checked_mul(i128::from(numerator));
        let (top, bottom) = if self.exponent >= 0 {
            let top = scaled
                .zip(power)
                .and_then(|(scaled, power)| scaled.checked_mul(power));
            (top, Some(i128::from(denominator)))
        } else {
            let bottom = power.and_then(|power| power.checked_mul(i128::from(denominator)));
            (scaled, bottom)
        };
        match (top, bottom) {
            (None, _) => huge,
            (_, None) => 0,
            (Some(top), Some(bottom)) => i64::try_from(rounded(top, bottom)).unwrap_or(huge),
        }
    }
}

/// The exponent after an `e`, kept to what makes a difference.
fn exponent(text: &[u8]) -> Option<i32> {
    let digits = text.strip_prefix(b"+").or(text.strip_prefix(b"-"));
    let digits = digits.unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = digits.iter().fold(0i32, |size, byte| {
        size.saturating_mul(10)
            .saturating_add(i32::from(byte - b'0'))
            .min(1_000)
    });
    Some(if text.starts_with(b"-") { -size } else { size })
}

/// `top / bottom` for a positive `bottom`, rounded half away from zero.
pub(super) fn rounded(top: i128, bottom: i128) -> i128 {
    let (quotient, rest) = (top / bottom, top % bottom);
    if rest.abs() >= bottom - rest.abs() {
        quotient + top.signum()
    } else {
        quotient
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micro(text: &str) -> Option<i64> {
        match Number::parse(text.as_bytes())? {
            Number::Is(decimal) => Some(decimal.times(1_000_000, 1)),
            Number::Nothing => None,
        }
    }

    #[test]
    fn reads_numbers_exactly() {
        for (text, expected) in [
            ("747.1", 747_100_000),
            ("-0.0000005", -1),
            (".5", 500_000),
            ("5.", 5_000_000),
            (" 1e-3 ", 1_000),
            ("1.435781430781e+09", 1_435_781_430_781_000),
            ("0.00000000000000000000000000001", 0),
            ("123456789012345678901234567890", i64::MAX),
            ("-1e400", i64::MIN),
            ("1e-99999999999", 0),
            ("0e99999999999", 0),
            ("0.10000000000000000000000000000000000000000001", 100_000),
        ] {
            assert_eq!(micro(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn tells_nothing_from_nonsense() {
        for text in ["", "NaN", "null", "+Inf", "N/A", "-", "max"] {
            assert_eq!(
                Number::parse(text.as_bytes()),
                Some(Number::Nothing),
                "{text}"
            );
        }
        for text in [
            "abc", "1,5", "1.2.3", "0x10", "1e", "--1", ".", "e5", "1 000", "5%",
        ] {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn rounds_to_the_nearest() {
        assert_eq!(
            [rounded(5, 2), rounded(-5, 2), rounded(4, 3), rounded(-1, 3)],
            [3, -3, 1, 0]
        );
        assert_eq!(rounded(i128::MAX, i128::MAX), 1);
    }
}
