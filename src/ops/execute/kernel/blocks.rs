//! Channels as square blocks of a larger map, and back.

use candle_core::Tensor;

use super::super::Fault;

/// The sizes of a map.
fn sizes(x: &Tensor) -> Result<[usize; 4], Fault> {
    match *x.dims() {
        [batch, channels, height, width] => Ok([batch, channels, height, width]),
        _ => Err(Fault::internal("a map without height and width")),
    }
}

/// `[n, c, h, w] → [n, c/b², h·b, w·b]`: channels come in the order of places, then channels, or the other way about.
///
/// # Errors
/// What the device says.
pub fn to_space(x: &Tensor, block: usize, place_first: bool) -> Result<Tensor, Fault> {
    let [batch, channels, height, width] = sizes(x)?;
    let left = channels / (block * block);
    let x = x.contiguous()?;
    let apart = if place_first {
        x.reshape(&[batch, block, block, left, height, width])?.permute((0, 3, 4, 1, 5, 2))?
    } else {
        x.reshape(&[batch, left, block, block, height, width])?.permute((0, 1, 4, 2, 5, 3))?
    };
    Ok(apart.force_contiguous()?.reshape((batch, left, height * block, width * block))?)
}

/// `[n, c, h, w] → [n, c·b², h/b, w/b]`, the reverse.
///
/// # Errors
/// What the device says.
pub fn to_depth(x: &Tensor, block: usize, place_first: bool) -> Result<Tensor, Fault> {
    let [batch, channels, height, width] = sizes(x)?;
    let (height, width) = (height / block, width / block);
    let apart = x.contiguous()?.reshape(&[batch, channels, height, block, width, block])?;
    let order = if place_first { (0, 3, 5, 1, 2, 4) } else { (0, 1, 3, 5, 2, 4) };
    Ok(apart.permute(order)?.force_contiguous()?.reshape((batch, channels * block * block, height, width))?)
}
