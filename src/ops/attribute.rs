//! Attributes of ops: one declaration gives the struct, its reader, its writer, its schema and its manual.

use std::fmt;
use std::num::NonZeroU64;

use num::rational::Ratio;
use serde_json::{Value, json};

use crate::diagnostic::{Code, Diagnostic};
use crate::source::Span;
use crate::tensor::{DType, TensorShape};

/// An exact number: an architecture file's arithmetic never rounds unasked.
pub type Exact = Ratio<i128>;

/// A value as a file gives it, expressions evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: SettingValue,
    /// Where it stands.
    pub span: Span,
    /// The expression it came from, if it was one.
    pub expression: Option<std::sync::Arc<str>>,
}

/// The kinds of value.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(Exact),
    /// A text.
    Text(std::sync::Arc<str>),
    /// A list.
    List(Vec<Setting>),
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => f.write_str(&decimal(*number)),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::List(items) => write!(f, "a list of {}", items.len()),
        }
    }
}

/// An exact number as a person writes it: decimals where they end within six digits, else a fraction.
pub fn decimal(number: Exact) -> String {
    if number.is_integer() {
        return number.numer().to_string();
    }
    for digits in 1..=6u32 {
        let power = 10i128.pow(digits);
        if let Some(scaled) = number.numer().checked_mul(power)
            && scaled % number.denom() == 0
        {
            let value = scaled / number.denom();
            let sign = if value < 0 { "-" } else { "" };
            let value = value.abs();
            return format!("{sign}{}.{:0width$}", value / power, value % power, width = digits as usize);
        }
    }
    format!("{}/{}", number.numer(), number.denom())
}

impl Setting {
    /// An error at this value.
    pub fn error(&self, code: Code, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, message).at(self.span, label)
    }

    /// "expected …, found …".
    pub fn wrong_type(&self, name: &str, expected: &str) -> Diagnostic {
        self.error(Code::WrongType, format!("`{name}` must be {expected}"), format!("this is {}", self.value))
    }

    /// A whole number.
    ///
    /// # Errors
    /// A value of another type, a fraction (with the rounded spelling as help), or one beyond 64 bits.
    pub fn whole(&self, name: &str, expected: &str) -> Result<i64, Diagnostic> {
        let SettingValue::Number(number) = self.value else {
            return Err(self.wrong_type(name, expected));
        };
        if !number.is_integer() {
            let is = decimal(number);
            let diagnostic = self.error(
                Code::NotWhole,
                format!("`{name}` must be whole, but is {is}"),
                format!("this is {is}"),
            );
            let (down, up) = (number.floor().to_integer(), number.ceil().to_integer());
            let source = self.expression.as_deref().unwrap_or(&is).to_owned();
            return Err(diagnostic
                .help(format!("write \"floor({source})\" for {down} or \"ceil({source})\" for {up}")));
        }
        i64::try_from(*number.numer()).map_err(|_| {
            self.error(
                Code::Overflow,
                format!("`{name}` does not fit in 64 bits"),
                format!("this is {}", self.value),
            )
        })
    }

    fn at_least(&self, name: &str, expected: &str, least: i64) -> Result<u64, Diagnostic> {
        let whole = self.whole(name, expected)?;
        match u64::try_from(whole) {
            Ok(value) if whole >= least => Ok(value),
            _ => Err(self.error(
                Code::OutOfRange,
                format!("`{name}` must be at least {least}, but is {whole}"),
                format!("this is {whole}"),
            )),
        }
    }
}

/// A type that an attribute can have.
pub trait AttributeType: Sized {
    /// Whether texts are expressions (numbers) rather than words.
    const NUMERIC: bool;
    /// What is expected, for errors and manuals: "a whole number, at least 1".
    const EXPECTS: &'static str;
    /// Words that stand for themselves although texts are expressions.
    const WORDS: &'static [&'static str] = &[];
    /// The JSON Schema of the value.
    fn schema() -> Value;
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong, at the value's place.
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic>;
    /// Writes it as [`AttributeType::read`] reads it.
    fn write(&self) -> Value;
}

/// The schema of a number that may also be an expression.
fn number_schema(least: Option<i64>) -> Value {
    match least {
        Some(least) => {
            json!({"anyOf": [{"type": "integer", "minimum": least}, {"$ref": "#/$defs/expression"}]})
        }
        None => json!({"anyOf": [{"type": "number"}, {"$ref": "#/$defs/expression"}]}),
    }
}

impl AttributeType for NonZeroU64 {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a whole number, at least 1";
    fn schema() -> Value {
        number_schema(Some(1))
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        let value = setting.at_least(name, Self::EXPECTS, 1)?;
        Self::new(value).ok_or_else(|| setting.wrong_type(name, Self::EXPECTS))
    }
    fn write(&self) -> Value {
        json!(self.get())
    }
}

impl AttributeType for u64 {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a whole number, at least 0";
    fn schema() -> Value {
        number_schema(Some(0))
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        setting.at_least(name, Self::EXPECTS, 0)
    }
    fn write(&self) -> Value {
        json!(self)
    }
}

impl AttributeType for i64 {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a whole number";
    fn schema() -> Value {
        json!({"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/expression"}]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        setting.whole(name, Self::EXPECTS)
    }
    fn write(&self) -> Value {
        json!(self)
    }
}

impl AttributeType for f64 {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a number";
    fn schema() -> Value {
        number_schema(None)
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        let SettingValue::Number(number) = setting.value else {
            return Err(setting.wrong_type(name, Self::EXPECTS));
        };
        #[expect(clippy::cast_precision_loss, reason = "slopes and epsilons are approximate by nature")]
        let value = *number.numer() as f64 / *number.denom() as f64;
        Ok(value)
    }
    fn write(&self) -> Value {
        json!(self)
    }
}

impl AttributeType for bool {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "true or false";
    fn schema() -> Value {
        json!({"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/expression"}]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match setting.value {
            SettingValue::Flag(flag) => Ok(flag),
            _ => Err(setting.wrong_type(name, Self::EXPECTS)),
        }
    }
    fn write(&self) -> Value {
        json!(self)
    }
}

impl AttributeType for String {
    const NUMERIC: bool = false;
    const EXPECTS: &'static str = "a text";
    fn schema() -> Value {
        json!({"type": "string"})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::Text(text) => Ok(text.as_ref().into()),
            _ => Err(setting.wrong_type(name, Self::EXPECTS)),
        }
    }
    fn write(&self) -> Value {
        json!(self)
    }
}

impl AttributeType for DType {
    const NUMERIC: bool = false;
    const EXPECTS: &'static str = "an element type such as \"f32\"";
    fn schema() -> Value {
        json!({"$ref": "#/$defs/dtype"})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        let SettingValue::Text(text) = &setting.value else {
            return Err(setting.wrong_type(name, Self::EXPECTS));
        };
        Self::from_name(text).ok_or_else(|| {
            setting
                .error(Code::OutOfRange, format!("there is no element type `{text}`"), "not a type")
                .did_you_mean(text, Self::ALL.iter().map(|dtype| dtype.name()))
                .help(format!(
                    "types: {}",
                    Self::ALL.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(", ")
                ))
        })
    }
    fn write(&self) -> Value {
        json!(self.name())
    }
}

impl<T: AttributeType> AttributeType for Option<T> {
    const NUMERIC: bool = T::NUMERIC;
    const EXPECTS: &'static str = T::EXPECTS;
    fn schema() -> Value {
        T::schema()
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        if setting.value == SettingValue::Null { Ok(None) } else { T::read(name, setting).map(Some) }
    }
    fn write(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::write)
    }
}

/// A list of one type; a single value stands for a list of one.
impl<T: AttributeType> AttributeType for Vec<T> {
    const NUMERIC: bool = T::NUMERIC;
    const EXPECTS: &'static str = "a list";
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "array", "items": T::schema()}]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::List(items) => items.iter().map(|item| T::read(name, item)).collect(),
            _ => T::read(name, setting).map(|item| vec![item]),
        }
    }
    fn write(&self) -> Value {
        Value::Array(self.iter().map(T::write).collect())
    }
}

impl AttributeType for TensorShape {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a list of sizes, each at least 1";
    fn schema() -> Value {
        json!({"type": "array", "items": number_schema(Some(1))})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        let SettingValue::List(items) = &setting.value else {
            return Err(setting.wrong_type(name, Self::EXPECTS));
        };
        if items.len() > Self::MAX_RANK {
            return Err(setting.error(
                Code::TooLarge,
                format!(
                    "`{name}` has {} axes, more than the {} a tensor may have",
                    items.len(),
                    Self::MAX_RANK
                ),
                "",
            ));
        }
        let sizes: Result<Vec<NonZeroU64>, _> =
            items.iter().map(|item| NonZeroU64::read(name, item)).collect();
        Ok(Self::new(sizes?.into_iter().map(NonZeroU64::get)))
    }
    fn write(&self) -> Value {
        json!(self.axes())
    }
}

/// A height and a width; one number stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Along the rows of the map.
    pub height: NonZeroU64,
    /// Along its columns.
    pub width: NonZeroU64,
}

impl Pair {
    /// The same number twice.
    ///
    /// # Panics
    /// On 0; meant for constants.
    pub const fn both(size: u64) -> Self {
        let size = NonZeroU64::new(size).expect("a size of at least 1");
        Self { height: size, width: size }
    }

    /// Height and width.
    pub fn get(self) -> [u64; 2] {
        [self.height.get(), self.width.get()]
    }
}

impl AttributeType for Pair {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a whole number, at least 1, or [height, width]";
    fn schema() -> Value {
        json!({"anyOf": [number_schema(Some(1)), {"type": "array", "items": number_schema(Some(1)), "minItems": 2, "maxItems": 2}]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::List(items) if items.len() == 2 => Ok(Self {
                height: NonZeroU64::read(name, &items[0])?,
                width: NonZeroU64::read(name, &items[1])?,
            }),
            SettingValue::List(_) => Err(setting.wrong_type(name, Self::EXPECTS)),
            _ => NonZeroU64::read(name, setting).map(|size| Self { height: size, width: size }),
        }
    }
    fn write(&self) -> Value {
        if self.height == self.width { json!(self.height) } else { json!([self.height, self.width]) }
    }
}

/// Zeros (or, for max pools, nothing) around a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As much as makes the output `ceil(input / stride)`; an odd one goes after.
    Same,
    /// So many on each side.
    Explicit {
        /// Above.
        top: u64,
        /// Left.
        left: u64,
        /// Below.
        bottom: u64,
        /// Right.
        right: u64,
    },
}

impl Padding {
    /// The same on all four sides.
    pub const fn all(size: u64) -> Self {
        Self::Explicit { top: size, left: size, bottom: size, right: size }
    }
}

impl AttributeType for Padding {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a number, [height, width], [top, left, bottom, right] or \"same\"";
    const WORDS: &'static [&'static str] = &["same"];
    fn schema() -> Value {
        let size = number_schema(Some(0));
        json!({"anyOf": [
            {"const": "same"},
            size,
            {"type": "array", "items": size, "minItems": 2, "maxItems": 2},
            {"type": "array", "items": size, "minItems": 4, "maxItems": 4}
        ]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::Text(text) if &**text == "same" => Ok(Self::Same),
            SettingValue::List(items) => {
                let sizes: Result<Vec<u64>, _> = items.iter().map(|item| u64::read(name, item)).collect();
                match *sizes?.as_slice() {
                    [height, width] => {
                        Ok(Self::Explicit { top: height, left: width, bottom: height, right: width })
                    }
                    [top, left, bottom, right] => Ok(Self::Explicit { top, left, bottom, right }),
                    _ => Err(setting.wrong_type(name, Self::EXPECTS)),
                }
            }
            SettingValue::Number(_) => setting.at_least(name, Self::EXPECTS, 0).map(Self::all),
            _ => Err(setting.wrong_type(name, Self::EXPECTS)),
        }
    }
    fn write(&self) -> Value {
        match *self {
            Self::Same => json!("same"),
            Self::Explicit { top, left, bottom, right } if top == bottom && left == right => {
                if top == left {
                    json!(top)
                } else {
                    json!([top, left])
                }
            }
            Self::Explicit { top, left, bottom, right } => json!([top, left, bottom, right]),
        }
    }
}

/// Zeros before and after a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding1d {
    /// As much as makes the output `ceil(input / stride)`; an odd one goes after.
    Same,
    /// So many on each side.
    Explicit {
        /// Before.
        left: u64,
        /// After.
        right: u64,
    },
}

impl Padding1d {
    /// The same on both sides.
    pub const fn both(size: u64) -> Self {
        Self::Explicit { left: size, right: size }
    }
}

impl AttributeType for Padding1d {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a number, [left, right] or \"same\"";
    const WORDS: &'static [&'static str] = &["same"];
    fn schema() -> Value {
        let size = number_schema(Some(0));
        json!({"anyOf": [
            {"const": "same"},
            size,
            {"type": "array", "items": size, "minItems": 2, "maxItems": 2}
        ]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::Text(text) if &**text == "same" => Ok(Self::Same),
            SettingValue::List(items) if items.len() == 2 => {
                Ok(Self::Explicit { left: u64::read(name, &items[0])?, right: u64::read(name, &items[1])? })
            }
            SettingValue::Number(_) => setting.at_least(name, Self::EXPECTS, 0).map(Self::both),
            _ => Err(setting.wrong_type(name, Self::EXPECTS)),
        }
    }
    fn write(&self) -> Value {
        match *self {
            Self::Same => json!("same"),
            Self::Explicit { left, right } if left == right => json!(left),
            Self::Explicit { left, right } => json!([left, right]),
        }
    }
}

/// Rows and columns beside a map, which may be none; one number stands for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Rows.
    pub height: u64,
    /// Columns.
    pub width: u64,
}

impl Extra {
    /// No rows and no columns.
    pub const NONE: Self = Self { height: 0, width: 0 };

    /// Rows and columns.
    pub fn get(self) -> [u64; 2] {
        [self.height, self.width]
    }
}

impl AttributeType for Extra {
    const NUMERIC: bool = true;
    const EXPECTS: &'static str = "a whole number, at least 0, or [height, width]";
    fn schema() -> Value {
        let size = number_schema(Some(0));
        json!({"anyOf": [size, {"type": "array", "items": size, "minItems": 2, "maxItems": 2}]})
    }
    fn read(name: &'static str, setting: &Setting) -> Result<Self, Diagnostic> {
        match &setting.value {
            SettingValue::List(items) if items.len() == 2 => {
                Ok(Self { height: u64::read(name, &items[0])?, width: u64::read(name, &items[1])? })
            }
            SettingValue::List(_) => Err(setting.wrong_type(name, Self::EXPECTS)),
            _ => setting.at_least(name, Self::EXPECTS, 0).map(|size| Self { height: size, width: size }),
        }
    }
    fn write(&self) -> Value {
        if self.height == self.width { json!(self.height) } else { json!([self.height, self.width]) }
    }
}

/// Declares an attribute type of a few words.
macro_rules! choice {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $word_doc:literal])* $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $word_doc])* $variant,)* }

        impl $crate::ops::attribute::AttributeType for $name {
            const NUMERIC: bool = false;
            const EXPECTS: &'static str = concat!("one of", $(" \"", $word, "\"",)*);
            fn schema() -> serde_json::Value {
                serde_json::json!({"enum": [$($word),*]})
            }
            fn read(
                name: &'static str,
                setting: &$crate::ops::attribute::Setting,
            ) -> Result<Self, $crate::diagnostic::Diagnostic> {
                match &setting.value {
                    $($crate::ops::attribute::SettingValue::Text(text) if &**text == $word => Ok(Self::$variant),)*
                    $crate::ops::attribute::SettingValue::Text(text) => {
                        Err(setting.wrong_type(name, Self::EXPECTS).did_you_mean(text, [$($word),*]))
                    }
                    _ => Err(setting.wrong_type(name, Self::EXPECTS)),
                }
            }
            fn write(&self) -> serde_json::Value {
                match self { $(Self::$variant => serde_json::json!($word),)* }
            }
        }
    };
}
pub(crate) use choice;

/// An attribute that was given, by its index in the op's table.
pub type Given = (usize, Setting);

/// The attributes that one layer gives.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a> {
    /// The op's name or layer, where a missing attribute is reported.
    pub span: Span,
    /// What is given.
    pub given: &'a [Given],
}

/// One row of an op's table of attributes.
#[derive(Clone, Copy)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// One or two sentences.
    pub doc: &'static str,
    /// What is expected.
    pub expects: &'static str,
    /// Whether a text is an expression.
    pub numeric: bool,
    /// Words that stand for themselves all the same.
    pub words: &'static [&'static str],
    /// Its default; required without one.
    pub default: fn() -> Option<Value>,
    /// Its JSON Schema.
    pub schema: fn() -> Value,
}

/// What `attributes!` generates.
pub trait Attributes: Sized {
    /// The op's name in files.
    const NAME: &'static str;
    /// Its manual page.
    const DOC: &'static str;
    /// Its attributes.
    const ATTRIBUTES: &'static [Attribute];
    /// Reads them all.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    fn read(settings: &Settings<'_>) -> Result<Self, Vec<Diagnostic>>;
    /// Writes those that are not at their default.
    fn write(&self) -> Vec<(&'static str, Value)>;
}

/// Reads one attribute; for `attributes!`.
pub fn read_one<T: AttributeType>(
    settings: &Settings<'_>,
    op: &'static str,
    index: usize,
    name: &'static str,
    default: Option<T>,
    errors: &mut Vec<Diagnostic>,
) -> Option<T> {
    if let Some((_, setting)) = settings.given.iter().find(|(given, _)| *given == index) {
        return T::read(name, setting).map_err(|error| errors.push(error)).ok();
    }
    if default.is_none() {
        errors.push(
            Diagnostic::error(Code::Missing, format!("`{op}` needs `{name}`"))
                .at(settings.span, format!("`{name}` is not given"))
                .help(format!("`{name}` is {}", T::EXPECTS)),
        );
    }
    default
}

/// Declares an op's attributes: a struct whose documentation is the op's manual page and whose fields are its
/// attributes, with `= default` where there is one.
macro_rules! attributes {
    ($(#[doc = $doc:literal])* $name:ident = $op:literal { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty $(= $default:expr)?,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[doc = $field_doc])* pub $field: $type,)* }

        #[allow(unused_mut, unused_variables, unused_assignments, reason = "an op may have no attributes")]
        impl $crate::ops::attribute::Attributes for $name {
            const NAME: &'static str = $op;
            const DOC: &'static str = concat!($($doc, "\n",)*);
            const ATTRIBUTES: &'static [$crate::ops::attribute::Attribute] = &[$(
                $crate::ops::attribute::Attribute {
                    name: stringify!($field),
                    doc: concat!($($field_doc, "\n",)*),
                    expects: <$type as $crate::ops::attribute::AttributeType>::EXPECTS,
                    numeric: <$type as $crate::ops::attribute::AttributeType>::NUMERIC,
                    words: <$type as $crate::ops::attribute::AttributeType>::WORDS,
                    default: || {
                        let default: Option<$type> = $crate::ops::attribute::attributes!(@default $($default)?);
                        default.map(|value| $crate::ops::attribute::AttributeType::write(&value))
                    },
                    schema: <$type as $crate::ops::attribute::AttributeType>::schema,
                },
            )*];

            fn read(
                settings: &$crate::ops::attribute::Settings<'_>,
            ) -> Result<Self, Vec<$crate::diagnostic::Diagnostic>> {
                let mut errors = Vec::new();
                let mut index = 0;
                $(
                    let $field = $crate::ops::attribute::read_one::<$type>(
                        settings, $op, index, stringify!($field),
                        $crate::ops::attribute::attributes!(@default $($default)?), &mut errors,
                    );
                    index += 1;
                )*
                match ($($field,)*) {
                    ($(Some($field),)*) if errors.is_empty() => Ok(Self { $($field,)* }),
                    _ => Err(errors),
                }
            }

            fn write(&self) -> Vec<(&'static str, serde_json::Value)> {
                let mut written = Vec::new();
                $(
                    let default: Option<$type> = $crate::ops::attribute::attributes!(@default $($default)?);
                    if default.as_ref() != Some(&self.$field) {
                        written.push((stringify!($field), $crate::ops::attribute::AttributeType::write(&self.$field)));
                    }
                )*
                written
            }
        }
    };
    (@default) => { None };
    (@default $default:expr) => { Some($default) };
}
pub(crate) use attributes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_are_spelled_as_people_do() {
        for (numer, denom, text) in
            [(96, 10, "9.6"), (-1, 4, "-0.25"), (1, 3, "1/3"), (7, 1, "7"), (1, 1_000_000, "0.000001")]
        {
            assert_eq!(decimal(Exact::new(numer, denom)), text);
        }
    }

    fn setting(value: SettingValue) -> Setting {
        let source = crate::source::SourceMap::default().add("test", "");
        Setting { value, span: Span { source, start: 0, end: 0 }, expression: None }
    }

    fn numbers(values: &[i128]) -> Setting {
        let items = values.iter().map(|&value| setting(SettingValue::Number(Exact::from(value))));
        setting(SettingValue::List(items.collect()))
    }

    #[test]
    fn paddings_of_a_sequence_and_extra_rows() {
        let same = setting(SettingValue::Text("same".into()));
        assert_eq!(Padding1d::read("padding", &same), Ok(Padding1d::Same));
        for (values, padding, written) in [
            (numbers(&[1, 2]), Padding1d::Explicit { left: 1, right: 2 }, json!([1, 2])),
            (setting(SettingValue::Number(Exact::from(3))), Padding1d::both(3), json!(3)),
        ] {
            assert_eq!(Padding1d::read("padding", &values), Ok(padding));
            assert_eq!(padding.write(), written);
        }
        assert!(Padding1d::read("padding", &numbers(&[1])).is_err());
        assert!(Padding1d::read("padding", &numbers(&[-1, 0])).is_err());
        let extra = Extra { height: 0, width: 1 };
        assert_eq!(Extra::read("output_padding", &numbers(&[0, 1])), Ok(extra));
        assert_eq!((extra.write(), Extra::NONE.write()), (json!([0, 1]), json!(0)));
        assert!(Extra::read("output_padding", &numbers(&[1, 2, 3])).is_err());
    }
}
