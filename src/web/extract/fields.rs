//! Reading the fields of a JSON object or a form, and naming every one that is at fault.

use std::{borrow::Cow, fmt::Write};

use serde_json::{Map, Number, Value};

use crate::{
    kernel::quantity::Quantity,
    web::error::{Fault, Problem},
};

/// Faults told at once; a body full of unknown fields is not echoed whole.
const MOST_FAULTS: usize = 16;
/// Characters of an unknown field's name that are told.
const LONGEST_NAME: usize = 40;

/// An object being read. What was not asked for by the end is at fault, too.
#[derive(Debug)]
pub struct Fields {
    values: Map<String, Value>,
    /// Put before names: `shipping.`
    prefix: &'static str,
    /// In a form every value is text, numbers too.
    form: bool,
    faults: Vec<Fault>,
}

impl Fields {
    /// The fields of a JSON object.
    #[must_use]
    pub fn of_json(values: Map<String, Value>) -> Self {
        Self { values, prefix: "", form: false, faults: Vec::new() }
    }

    /// The fields of a form; `a.b` is the field `b` of the object `a`.
    #[must_use]
    pub fn of_form(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values = Map::new();
        for (name, text) in pairs {
            match name.split_once('.') {
                None => _ = values.insert(name, Value::String(text)),
                Some((object, field)) => {
                    let inner = values.entry(object).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(inner) = inner {
                        inner.insert(field.to_owned(), Value::String(text));
                    }
                }
            }
        }
        Self { values, prefix: "", form: true, faults: Vec::new() }
    }

    /// A whole number of units.
    pub fn quantity(&mut self, name: &'static str) -> Option<Quantity> {
        let value = self.take(name)?;
        let count = match &value {
            Value::Number(number) if !self.form => whole(number),
            Value::String(text) if self.form => text.trim().parse().ok(),
            _ => None,
        };
        let quantity = count.and_then(|count| Quantity::try_from(count).ok());
        if quantity.is_none() {
            let most = Quantity::MAX;
            self.fault(name, format!("must be a whole number from 0 to {most}"));
        }
        quantity
    }

    /// One line of text, 1 to `longest` characters once trimmed, without control characters.
    pub fn text(&mut self, name: &'static str, longest: usize) -> Option<String> {
        let value = self.take(name)?;
        let Value::String(text) = value else {
            self.fault(name, "must be text");
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            self.fault(name, "must not be empty");
        } else if text.chars().count() > longest {
            self.fault(name, format!("must be at most {longest} characters"));
        } else if text.chars().any(char::is_control) {
            self.fault(name, "must not contain control characters");
        } else {
            return Some(text.to_owned());
        }
        None
    }

    /// Like [`Fields::text`], for a field that may be left out. The outer `None` is a fault.
    pub fn optional_text(&mut self, name: &'static str, longest: usize) -> Option<Option<String>> {
        match self.values.get(name) {
            None | Some(Value::Null) => {
                self.values.remove(name);
                Some(None)
            }
            Some(_) => self.text(name, longest).map(Some),
        }
    }

    /// Text that `read` makes a value of; `None` means that it is not `expected`.
    pub fn parsed<T>(
        &mut self,
        name: &'static str,
        longest: usize,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(name, longest)?;
        let value = read(&text);
        if value.is_none() {
            self.fault(name, format!("must be {expected}"));
        }
        value
    }

    /// An object of its own; `prefix` is its name and a dot.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        prefix: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(values) = self.take(name)? else {
            self.fault(name, "must be an object");
            return None;
        };
        let mut inner = Self { values, prefix, form: self.form, faults: Vec::new() };
        let value = read(&mut inner);
        inner.fault_leftovers();
        self.faults.append(&mut inner.faults);
        value
    }

    /// The value that was read, or everything that was wrong.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Problem> {
        self.fault_leftovers();
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(Problem::invalid(self.faults)),
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        let value = self.values.remove(name);
        if value.is_none() {
            self.fault(name, "is missing");
        }
        value
    }

    fn fault_leftovers(&mut self) {
        for name in std::mem::take(&mut self.values).keys() {
            let short: String = name.chars().take(LONGEST_NAME).collect();
            self.fault(&short, "is not known here");
        }
    }

    fn fault(&mut self, name: &str, detail: impl Into<Cow<'static, str>>) {
        if self.faults.len() < MOST_FAULTS {
            let mut field = String::from(self.prefix);
            _ = field.write_str(name);
            self.faults.push(Fault { field, detail: detail.into() });
        }
    }
}

/// JSON knows no integers: 2.0 is one, too.
fn whole(number: &Number) -> Option<i64> {
    let float = || number.as_f64().filter(|float| float.fract() == 0.0)?.to_string().parse().ok();
    number.as_i64().or_else(float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Fields {
        Fields::of_json(serde_json::from_str(text).unwrap())
    }

    fn faults<T: std::fmt::Debug>(read: Result<T, Problem>) -> Vec<String> {
        read.unwrap_err().faults().iter().map(|fault| fault.field.clone()).collect()
    }

    fn quantity(mut fields: Fields) -> Result<Quantity, Problem> {
        let value = fields.quantity("quantity");
        fields.finish(value)
    }

    #[test]
    fn only_whole_numbers_in_range_are_quantities() {
        assert_eq!(quantity(json(r#"{"quantity": 2}"#)).unwrap().get(), 2);
        assert_eq!(quantity(json(r#"{"quantity": 2.0}"#)).unwrap().get(), 2);
        for bad in ["-1", "1.5", "1e30", "99999999999999999999", "\"1\"", "null", "[1]", "true"] {
            let read = quantity(json(&format!("{{\"quantity\": {bad}}}")));
            assert_eq!(faults(read), ["quantity"], "{bad}");
        }
    }

    #[test]
    fn forms_carry_numbers_as_text() {
        let form = |text: &str| Fields::of_form([("quantity".to_owned(), text.to_owned())]);
        assert_eq!(quantity(form("2")).unwrap().get(), 2);
        assert_eq!(faults(quantity(form("two"))), ["quantity"]);
    }

    #[test]
    fn every_fault_is_named_with_its_path() {
        let mut fields = json(r#"{"a": "x\u0000", "in": {"c": "  ", "d": 1}, "more": 1}"#);
        let a = fields.text("a", 10);
        let b = fields.text("b", 10);
        let inner = fields.object("in", "in.", |inner| inner.text("c", 10));
        let read = fields.finish(a.zip(b).zip(inner));
        assert_eq!(faults(read), ["a", "b", "in.c", "in.d", "more"]);
    }

    #[test]
    fn optional_fields_may_be_left_out_but_not_wrong() {
        for (text, expected) in
            [("{}", None), (r#"{"v": null}"#, None), (r#"{"v":"1"}"#, Some("1"))]
        {
            let mut fields = json(text);
            let value = fields.optional_text("v", 3);
            assert_eq!(fields.finish(value).unwrap().as_deref(), expected);
        }
        let mut fields = json(r#"{"v": "1234"}"#);
        let value = fields.optional_text("v", 3);
        assert_eq!(faults(fields.finish(value)), ["v"]);
    }

    #[test]
    fn dots_in_a_form_are_objects() {
        let pairs = [("in.c".to_owned(), "x".to_owned()), ("in".to_owned(), "y".to_owned())];
        let mut fields = Fields::of_form(pairs);
        let inner = fields.object("in", "in.", |inner| inner.text("c", 10));
        assert_eq!(faults(fields.finish(inner)), ["in"]);
    }
}
