//! Lists of lists in one allocation.

/// Rows of items: row i is `items[starts[i]..starts[i + 1]]`.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    starts: Vec<usize>,
    items: Vec<T>,
}

impl<T> Default for Rows<T> {
    fn default() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }
}

impl<T> Rows<T> {
    /// Appends a row.
    pub(super) fn push(&mut self, row: impl IntoIterator<Item = T>) {
        self.items.extend(row);
        self.starts.push(self.items.len());
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[T] {
        &self.items[self.starts[index]..self.starts[index + 1]]
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All items, row by row.
    pub fn items(&self) -> &[T] {
        &self.items
    }
}

impl<T: Copy> Rows<T> {
    /// The rows turned round: `rows` of them, each item put into the row that `key` names, in order.
    pub(super) fn transposed<U: Copy + Default>(
        &self,
        rows: usize,
        key: impl Fn(&T) -> usize,
        value: impl Fn(usize, &T) -> U,
    ) -> Rows<U> {
        let mut starts = vec![0usize; rows + 1];
        for item in &self.items {
            starts[key(item) + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut items = vec![U::default(); self.items.len()];
        for row in 0..self.len() {
            for item in self.row(row) {
                let slot = &mut next[key(item)];
                items[*slot] = value(row, item);
                *slot += 1;
            }
        }
        Rows { starts, items }
    }
}
