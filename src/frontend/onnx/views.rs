//! How a stored tensor is seen: the casts, reshapes and transposes between the file's bytes and a use of them.

use std::rc::Rc;

use crate::tensor::{DType, TensorShape};

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum View {
    /// The same elements in another shape.
    Reshape(TensorShape),
    /// Axes in another order: where each comes from.
    Transpose(Vec<usize>),
    /// Elements of another type.
    Cast(DType),
    /// Every element times a number.
    Scale(f64),
    /// One axis, on which every element stands so often in a row.
    Repeat(u64),
}

/// Steps that are followed: no exporter writes more than a few.
const MOST: usize = 32;

/// Several, the last one first. Copies share what they have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Views(Option<Rc<Link>>);

#[derive(Debug)]
struct Link {
    view: View,
    before: Views,
    count: usize,
}

impl Views {
    /// The same and one more.
    ///
    /// # Errors
    /// Why that is not followed.
    pub(super) fn and(&self, view: View) -> Result<Self, &'static str> {
        let count = self.0.as_ref().map_or(0, |link| link.count) + 1;
        if count > MOST {
            return Err("is seen through too many casts, reshapes and transposes");
        }
        Ok(Self(Some(Rc::new(Link { view, before: self.clone(), count }))))
    }

    /// All of them, the first one first.
    pub(super) fn list(&self) -> Vec<View> {
        let mut list = Vec::new();
        let mut views = self;
        while let Some(link) = &views.0 {
            list.push(link.view.clone());
            views = &link.before;
        }
        list.reverse();
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_listed_in_order_and_end() {
        let first = Views::default().and(View::Cast(DType::F16)).unwrap();
        let second = first.and(View::Scale(2.0)).unwrap();
        assert_eq!(second.list(), [View::Cast(DType::F16), View::Scale(2.0)]);
        assert_eq!(first.list().len(), 1);
        let mut many = Ok(Views::default());
        for _ in 0..MOST {
            many = many.and_then(|views| views.and(View::Repeat(1)));
        }
        assert!(many.unwrap().and(View::Repeat(1)).is_err());
    }
}
