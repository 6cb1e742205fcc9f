//! Which format a scraper would like best: the `Accept` header (RFC 9110, section 12.5.1).

/// The formats that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, which every scraper knows.
    Text,
}

impl Format {
    /// The `Content-Type` of an answer.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The best that a header admits. The plain text for who says nothing, and for who admits neither: nobody is
    /// helped by an error.
    #[must_use]
    pub fn accepted(header: &str) -> Self {
        let (mut open, mut text) = (0.0, 0.0);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let mut quality = 1.0;
            let mut version = None;
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0_f32),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            match kind.as_str() {
                // 0.0.1 is the draft, which every reader of 1.0.0 is called by.
                "application/openmetrics-text"
                    if version.is_none_or(|version| matches!(version, "1.0.0" | "0.0.1")) =>
                {
                    open = quality.max(open);
                }
                "text/plain" if version.is_none_or(|version| version == "0.0.4") => {
                    text = quality.max(text);
                }
                _ => {}
            }
        }
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_ask_for() {
        let open = [
            "application/openmetrics-text",
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "Application/OpenMetrics-Text; Version=\"1.0.0\", text/plain",
        ];
        for header in open {
            assert_eq!(Format::accepted(header), Format::OpenMetrics, "{header}");
        }
        let text = [
            "",
            "*/*",
            "text/plain",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0.3,text/plain;q=0.9",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=often",
            ";;,,=",
        ];
        for header in text {
            assert_eq!(Format::accepted(header), Format::Text, "{header}");
        }
    }
}
