//! The JSON of a range query, visited value by value: no tree of it is ever built.

use std::{
    cell::Cell, collections::BTreeMap, fmt, fmt::Write as _, io, rc::Rc, sync::mpsc::SyncSender,
};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::prometheus::{BATCH, Meaning, Message};
use crate::replay::{
    cells::{FUTURE, beyond},
    convert::Row,
    decimal::Number,
    error::{Wrong, shown},
};

/// What is known while a file is visited.
pub(super) struct Matrix<'a> {
    meaning: Meaning,
    line: Rc<Cell<u64>>,
    sender: &'a SyncSender<Message>,
    rows: Vec<Row>,
    /// A number as text.
    text: String,
    /// What ended the visit, where the parser's own words would not do.
    wrong: Option<Wrong>,
    /// What the server says where it refuses.
    refused: Option<String>,
    /// Whether a list of series was found.
    found: bool,
}

impl<'a> Matrix<'a> {
    pub(super) fn new(
        meaning: Meaning,
        line: Rc<Cell<u64>>,
        sender: &'a SyncSender<Message>,
    ) -> Self {
        Self {
            meaning,
            line,
            sender,
            rows: Vec::new(),
            text: String::new(),
            wrong: None,
            refused: None,
            found: false,
        }
    }

    /// Reads a whole answer.
    pub(super) fn read(&mut self, input: impl io::Read) -> Result<(), Wrong> {
        let mut json = serde_json::Deserializer::from_reader(input);
        let read = json.deserialize_map(Top(self)).and_then(|()| json.end());
        match (self.wrong.take(), read) {
            (Some(wrong), _) => Err(wrong),
            (None, Err(error)) if error.is_io() => Err(io::Error::from(error).into()),
            (None, Err(error)) if error.is_eof() => {
                Err(Wrong::Json(format!("the JSON ends too early: {error}")))
            }
            (None, Err(error)) => Err(Wrong::Json(error.to_string())),
            (None, Ok(())) if self.found => Ok(()),
            (None, Ok(())) => Err(Wrong::Json(match self.refused.take() {
                Some(said) => format!("the server refused the query: {}", shown(said.as_bytes())),
                None => "there is no `data.result` in it".into(),
            })),
        }
    }

    /// Ends the visit.
    fn stop<E: Error>(&mut self, wrong: Wrong) -> E {
        self.wrong = Some(wrong);
        E::custom("stopped")
    }

    fn send<E: Error>(&mut self, message: Message) -> Result<(), E> {
        self.sender
            .send(message)
            .map_err(|_| E::custom("nobody listens"))
    }

    fn flush<E: Error>(&mut self) -> Result<(), E> {
        let rows = std::mem::take(&mut self.rows);
        self.send(Message::Rows(rows))
    }

    fn begin<E: Error>(&mut self, labels: BTreeMap<String, String>) -> Result<(), E> {
        if let Some(metric) = labels
            .get("__name__")
            .filter(|name| name.ends_with("_total"))
        {
            return Err(self.stop(Wrong::Counter(shown(metric.as_bytes()))));
        }
        self.send(Message::Series(name(labels)))
    }

    fn row<E: Error>(&mut self, time: f64, value: Option<i64>) -> Result<(), E> {
        // The shortest text of a float is what stood in the file.
        self.text.clear();
        let _ = write!(self.text, "{time}");
        let time = match Number::parse(self.text.as_bytes()) {
            Some(Number::Is(time)) => time.times(1_000_000_000, 1),
            _ => -1,
        };
        if !(0..=FUTURE).contains(&time) {
            let wrong = Wrong::WrongUnit {
                column: "`time`".into(),
                text: self.text.clone(),
                what: "before 1970 or after the year 2200".into(),
            };
            return Err(self.stop(wrong));
        }
        let mut values = [None; 7];
        values[self.meaning.quantity.index()] = value;
        self.rows.push(Row {
            time: u64::try_from(time).ok(),
            line: self.line.get(),
            values,
        });
        if self.rows.len() == BATCH {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn value<E: Error>(&mut self, text: &str) -> Result<Option<i64>, E> {
        let column = || "`value`".to_owned();
        let value = match Number::parse(text.as_bytes()) {
            Some(Number::Is(value)) => {
                value.times(self.meaning.numerator, self.meaning.denominator)
            }
            Some(Number::Nothing) => return Ok(None),
            None => {
                let text = shown(text.as_bytes());
                return Err(self.stop(Wrong::NotNumber {
                    column: column(),
                    text,
                }));
            }
        };
        match beyond(self.meaning.quantity, value) {
            None => Ok(Some(value)),
            Some(what) => {
                let text = shown(text.as_bytes());
                Err(self.stop(Wrong::WrongUnit {
                    column: column(),
                    text,
                    what,
                }))
            }
        }
    }
}

/// Labels as Prometheus writes them.
fn name(mut labels: BTreeMap<String, String>) -> String {
    let metric = labels.remove("__name__").unwrap_or_default();
    let labels: Vec<_> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{metric}{{{}}}", labels.join(","))
}

/// The answer as a whole.
struct Top<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer to a query")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "data" => map.next_value_seed(Data(self.0))?,
                "error" => self.0.refused = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// What is under `data`.
struct Data<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Data<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Data<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`resultType` and `result`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "resultType" => {
                    let kind: String = map.next_value()?;
                    if kind != "matrix" {
                        let said =
                            format!("the result is a {}, not a matrix", shown(kind.as_bytes()));
                        return Err(self.0.stop(Wrong::Json(said)));
                    }
                }
                "result" => {
                    self.0.found = true;
                    map.next_value_seed(Results(self.0))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The list of series.
struct Results<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Results<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Results<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of series")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Series(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

/// One series.
struct Series<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Series<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Series<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`metric` and `values`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut begun = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metric" => {
                    self.0.begin(map.next_value()?)?;
                    begun = true;
                }
                "values" if begun => map.next_value_seed(Values(self.0))?,
                "values" => {
                    let said = "`values` stand before their `metric`".to_owned();
                    return Err(self.0.stop(Wrong::Json(said)));
                }
                "value" => {
                    let said =
                        "this is the answer to an instant query: one value per series".to_owned();
                    return Err(self.0.stop(Wrong::Json(said)));
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The samples of a series.
struct Values<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Values<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Values<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of samples")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Pair(&mut *self.0))?.is_some() {}
        self.0.flush()
    }
}

/// `[1435781430.781, "1.5"]`.
struct Pair<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Pair<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_tuple(2, self)
    }
}

impl<'de> Visitor<'de> for Pair<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a time and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<(), A::Error> {
        let time = pair
            .next_element()?
            .ok_or_else(|| A::Error::invalid_length(0, &"a time and a value"))?;
        let value = pair.next_element_seed(Value(&mut *self.0))?;
        let value = value.ok_or_else(|| A::Error::invalid_length(1, &"a time and a value"))?;
        self.0.row(time, value)
    }
}

/// The value: text, since JSON has no NaN.
struct Value<'m, 'a>(&'m mut Matrix<'a>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Value<'_, '_> {
    type Value = Option<i64>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.value(text)
    }
}
