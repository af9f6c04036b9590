//! Gradients that several readers add to, in place.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, WithDType, bail};

use crate::ops::execute::Fault;

/// Adds the second tensor's elements to the first's, which may be a part of a larger one.
struct AddTo;

impl InplaceOp2 for AddTo {
    fn name(&self) -> &'static str {
        "add-to"
    }

    fn cpu_fwd(
        &self,
        to: &mut CpuStorage,
        to_layout: &Layout,
        from: &CpuStorage,
        from_layout: &Layout,
    ) -> Result<()> {
        match (to, from) {
            (CpuStorage::F32(to), CpuStorage::F32(from)) => add(to, to_layout, from, from_layout),
            (CpuStorage::F64(to), CpuStorage::F64(from)) => add(to, to_layout, from, from_layout),
            (CpuStorage::F16(to), CpuStorage::F16(from)) => add(to, to_layout, from, from_layout),
            (CpuStorage::BF16(to), CpuStorage::BF16(from)) => add(to, to_layout, from, from_layout),
            _ => bail!("gradients of unlike or whole numbers"),
        }
    }
}

fn add<T: WithDType>(to: &mut [T], to_layout: &Layout, from: &[T], from_layout: &Layout) -> Result<()> {
    let Some((start, end)) = from_layout.contiguous_offsets() else { bail!("a gradient with gaps") };
    let from = &from[start..end];
    if let Some((start, end)) = to_layout.contiguous_offsets() {
        to[start..end].iter_mut().zip(from).for_each(|(to, &from)| *to += from);
    } else {
        let (dims, strides) = (to_layout.dims(), to_layout.stride());
        for (place, &from) in from.iter().enumerate() {
            let (mut rest, mut at) = (place, to_layout.start_offset());
            for (&size, &stride) in dims.iter().zip(strides).rev() {
                at += rest % size * stride;
                rest /= size;
            }
            to[at] += from;
        }
    }
    Ok(())
}

/// Adds a gradient to what others have already added.
///
/// # Errors
/// Where the device fails.
pub(super) fn add_to(sum: &mut Tensor, gradient: &Tensor) -> std::result::Result<(), Fault> {
    let gradient = gradient.contiguous()?;
    if sum.device().is_cpu() {
        sum.inplace_op2(&gradient, &AddTo)?;
    } else {
        *sum = (&*sum + gradient)?;
    }
    Ok(())
}

/// The memory that a tensor lives in, as long as it does.
pub(super) fn memory(of: &Tensor) -> usize {
    (&raw const *of.storage_and_layout().0).addr()
}

/// Whether two tensors live in the same memory.
pub(super) fn share_memory(one: &Tensor, other: &Tensor) -> bool {
    memory(one) == memory(other)
}
