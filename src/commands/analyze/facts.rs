//! What is said of published figures that do not hold.

use crate::diagnostic::{Code, Diagnostic};
use crate::published::Fact;
use crate::units::grouped;

/// Why a published figure does not hold.
pub(super) fn broken(fact: &Fact, ours: Option<u64>) -> Diagnostic {
    let (label, published, rounding) = (fact.label(), &fact.value, fact.rounding);
    let ours = ours.unwrap_or_default();
    let exact = grouped(ours);
    let message = match &fact.differs {
        Some(_) if published.is(ours, rounding) => {
            format!("`{label}` is said to differ from the published {}, but does not", published.text)
        }
        Some(difference) => {
            format!(
                "`{label}` is {exact}, neither the published {} nor the stated {}",
                published.text, difference.ours.text
            )
        }
        None => format!("`{label}` is {exact}, not the published {}", published.text),
    };
    let as_printed = published.format(ours, rounding);
    let diagnostic =
        Diagnostic::error(Code::PublishedFact, message).at(fact.span, format!("by {}", fact.source));
    match fact.differs {
        Some(_) if published.is(ours, rounding) => diagnostic.help("remove `status`, `ours` and `reason`"),
        _ if as_printed == exact => diagnostic,
        _ => diagnostic.help(format!("printed alike, ours is {as_printed}")),
    }
}
