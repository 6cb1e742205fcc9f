//! Names from files, made harmless in HTML.

/// The text with what means something in HTML written so that it does not.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_name_is_markup() {
        let name = "<b title='x'>\"R&D\"";
        assert_eq!(
            super::escaped(name),
            "&lt;b title=&#39;x&#39;&gt;&quot;R&amp;D&quot;"
        );
    }
}
