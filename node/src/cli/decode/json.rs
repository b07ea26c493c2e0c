//! JSON whose numbers are exact decimals and whose fields keep their order.
//!
//! Promises: a number is written digit for digit as it was given. Refuses: binary floating point.

use std::fmt;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Json {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A decimal in digits.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// Fields in the order they are shown.
    Object(Vec<(&'static str, Json)>),
}

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn number(number: impl fmt::Display) -> Self {
        Self::Number(number.to_string())
    }

    pub(super) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(items.into_iter().collect())
    }

    /// `None` is null.
    pub(super) fn maybe<T>(held: Option<T>, show: impl FnOnce(T) -> Self) -> Self {
        held.map_or(Self::Null, show)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(is) => is.fmt(f),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => quoted(text, f),
            Self::List(items) => separated(f, ['[', ']'], items, std::fmt::Display::fmt),
            Self::Object(fields) => separated(f, ['{', '}'], fields, |(name, value), f| {
                quoted(name, f)?;
                write!(f, ":{value}")
            }),
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", serde_json::Value::from(text))
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [char; 2],
    items: &[T],
    show: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    write!(f, "{open}")?;
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 {
            f.write_str(",")?;
        }
        show(item, f)?;
    }
    write!(f, "{close}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_every_digit_and_text_is_escaped() {
        let json = Json::Object(vec![("a", Json::number("540.60000000000000000001")), ("b", Json::text("\"\n"))]);
        assert_eq!(json.to_string(), r#"{"a":540.60000000000000000001,"b":"\"\n"}"#);
    }
}
