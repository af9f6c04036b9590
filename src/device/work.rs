//! What a device has to do for one node, in the numbers that its time may depend on.

macro_rules! work {
    ($($(#[doc = $doc:literal])* $field:ident,)*) => {
        /// What one node does, for a whole batch unless said otherwise.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct Work { $($(#[doc = $doc])* pub $field: u64,)* }

        impl Work {
            /// The names of its numbers, in the order of [`Work::row`].
            pub const COLUMNS: &[&str] = &[$(stringify!($field),)*];

            /// Its numbers.
            pub fn row(&self) -> Vec<u64> {
                vec![$(self.$field,)*]
            }

            /// The work of such a row; none where it has another length.
            pub fn from_row(row: &[u64]) -> Option<Self> {
                let &[$($field,)*] = row else { return None };
                Some(Self { $($field,)* })
            }
        }
    };
}

work! {
    /// Images.
    batch,
    /// Multiply-accumulates.
    macs,
    /// Input elements that are joined to one output element: `c/g · kh · kw` of a convolution, `k · k` of a pool.
    reduction,
    /// Output channels of one group.
    channels,
    /// Groups of channels.
    groups,
    /// Output positions of one image: `h' · w'`.
    positions,
    /// Elements of the kernel for one input channel: `kh · kw`.
    taps,
    /// Input positions of one image.
    input_positions,
    /// Data inputs.
    operands,
    /// Bytes of all data inputs.
    input_bytes,
    /// Bytes of all outputs.
    output_bytes,
    /// Bytes of stored tensors.
    stored_bytes,
    /// Elementary operations beside multiply-accumulates.
    elementary,
    /// Bytes that were written since the input that waited longest was: what a cache must hold to have it still.
    waited_bytes,
}
