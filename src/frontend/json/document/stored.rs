//! What a layer stores and moves by the file that it was converted from, where its op would say something else.

use super::Template;
use super::reader::{Fields, Reader};
use crate::diagnostic::{Code, Diagnostic};
use crate::ops::Role;
use crate::source::Span;
use crate::source::json::Json;
use crate::tensor::DType;

/// The keys of a stored tensor.
const STORED_KEYS: &[&str] = &["role", "shape", "dtype", "shared"];

/// `stored` and `listed_bytes` of a layer.
#[derive(Debug)]
pub(in crate::frontend::json) struct Listed {
    pub(in crate::frontend::json) tensors: Option<Box<[ListedTensor]>>,
    pub(in crate::frontend::json) bytes: Option<Template>,
}

/// One tensor of `stored`.
#[derive(Debug)]
pub(in crate::frontend::json) struct ListedTensor {
    pub(in crate::frontend::json) span: Span,
    pub(in crate::frontend::json) role: Role,
    pub(in crate::frontend::json) shape: Template,
    pub(in crate::frontend::json) dtype: Option<DType>,
    pub(in crate::frontend::json) shared: Option<Template>,
}

impl Listed {
    /// All values that may have to be evaluated.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let tensors = self.tensors.iter().flatten();
        tensors.flat_map(|tensor| std::iter::once(&tensor.shape).chain(&tensor.shared)).chain(&self.bytes)
    }
}

impl Reader<'_> {
    /// Takes `stored` and `listed_bytes`; `None` where they cannot be read.
    #[expect(clippy::option_option, reason = "absent, or not readable")]
    pub(super) fn listed(&mut self, fields: &mut Fields<'_>) -> Option<Option<Box<Listed>>> {
        let (stored, bytes) = (fields.take("stored"), fields.take("listed_bytes"));
        if stored.is_none() && bytes.is_none() {
            return Some(None);
        }
        let tensors = match stored {
            None => None,
            Some(json) => {
                let before = self.sink.errors();
                let items = self.list(json, "`stored`")?;
                let tensors: Vec<_> = items.into_iter().filter_map(|item| self.stored_tensor(item)).collect();
                if self.sink.errors() > before {
                    return None;
                }
                Some(tensors.into_boxed_slice())
            }
        };
        let bytes = match bytes {
            None => None,
            Some(json) => Some(self.template(json, "`listed_bytes`", true, &[])?),
        };
        Some(Some(Box::new(Listed { tensors, bytes })))
    }

    fn stored_tensor(&mut self, json: Json<'_>) -> Option<ListedTensor> {
        if self.sink.is_full() {
            return None;
        }
        let span = json.span;
        let mut fields = self.object(json, "a stored tensor")?;
        let role = match fields.take("role") {
            Some(json) => self.role(&json),
            None => {
                self.missing(span.head(), &fields, "a stored tensor", "role", "\"weight\"");
                None
            }
        };
        let shape = match fields.take("shape") {
            Some(json) => self.template(json, "`shape`", true, &[]),
            None => {
                self.missing(span.head(), &fields, "a stored tensor", "shape", "[64, 3, 7, 7]");
                None
            }
        };
        let dtype = match fields.take("dtype") {
            None => None,
            Some(json) => Some(self.dtype(&json)?),
        };
        let shared = match fields.take("shared") {
            None => None,
            Some(json) => Some(self.template(json, "`shared`", true, &[])?),
        };
        self.unknown_keys(fields, "a stored tensor", STORED_KEYS);
        Some(ListedTensor { span, role: role?, shape: shape?, dtype, shared })
    }

    fn role(&mut self, json: &Json<'_>) -> Option<Role> {
        let text = self.text(json, "`role`")?;
        let found = Role::from_name(&text);
        if found.is_none() {
            let names = || Role::ALL.iter().map(|role| role.name());
            self.sink.push(
                Diagnostic::error(Code::OutOfRange, format!("a stored tensor is no `{text}`"))
                    .at(json.span, "not a role")
                    .did_you_mean(&text, names())
                    .help(format!("one of {}", names().collect::<Vec<_>>().join(", "))),
            );
        }
        found
    }
}
