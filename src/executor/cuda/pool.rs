//! The pool of memory that the driver allocates tensors from: how much of it is in use.
#![expect(unsafe_code, reason = "cudarc has the driver's calls for pools only as they are in C")]

use candle_core::cuda::WrapErr as _;
use candle_core::cuda::cudarc::driver::result::{device, mem_pool};
use candle_core::cuda::cudarc::driver::sys::{CUmemPool_attribute as Attribute, CUmemoryPool};
use candle_core::{DType, Device, Tensor};

use crate::ops::execute::Fault;

/// The default pool of a card.
pub struct Pool {
    pool: CUmemoryPool,
    /// Keeps the card's context, and with it the pool, in being.
    device: Device,
}

impl Pool {
    /// `None` on the processor, and on a card whose memory comes from no pool.
    ///
    /// # Errors
    /// What the driver says.
    pub fn of(device: &Device) -> Result<Option<Self>, Fault> {
        let Ok(card) = device.as_cuda_device() else { return Ok(None) };
        let stream = card.cuda_stream();
        let context = stream.context();
        if !context.has_async_alloc() {
            return Ok(None);
        }
        // SAFETY: the card's number is that of a context which is in being.
        let pool = unsafe { device::get_default_mem_pool(context.cu_device()) }.w()?;
        Ok(Some(Self { pool, device: device.clone() }))
    }

    fn get(&self, attribute: Attribute) -> Result<u64, Fault> {
        let mut value = 0u64;
        // SAFETY: a default pool lives as long as the context that `device` keeps, and the attributes that this file
        // names are all 64-bit numbers.
        unsafe { mem_pool::get_attribute(self.pool, attribute, (&raw mut value).cast()) }.w()?;
        Ok(value)
    }

    fn set(&self, attribute: Attribute, mut value: u64) -> Result<(), Fault> {
        // SAFETY: as in `get`; the driver only reads the value.
        Ok(unsafe { mem_pool::set_attribute(self.pool, attribute, (&raw mut value).cast()) }.w()?)
    }

    /// Lets the pool keep what is freed.
    ///
    /// # Errors
    /// What the driver says.
    pub fn keep_all(&self) -> Result<(), Fault> {
        self.set(Attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX)
    }

    /// Bytes in use when all that was queued is done.
    ///
    /// # Errors
    /// What the driver says.
    pub fn used(&self) -> Result<u64, Fault> {
        self.device.synchronize()?;
        self.get(Attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
    }

    /// The most bytes in use since [`Pool::restart`].
    ///
    /// # Errors
    /// What the driver says.
    pub fn high(&self) -> Result<u64, Fault> {
        self.get(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)
    }

    /// Forgets the most so far, when all that was queued is done.
    ///
    /// # Errors
    /// What the driver says.
    pub fn restart(&self) -> Result<(), Fault> {
        self.device.synchronize()?;
        // The only value that the driver takes.
        self.set(Attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH, 0)
    }

    /// What the pool rounds every tensor up to a multiple of, found by allocating some; the error says where it does
    /// not.
    ///
    /// # Errors
    /// What the driver says.
    pub fn granule(&self) -> Result<Result<u64, String>, Fault> {
        let granule = self.takes(1)?;
        if granule == 0 {
            return Ok(Err("the card's pool does not tell what is in use".into()));
        }
        // The last is more than two of the larger pages that drivers map.
        for bytes in [granule, granule + 1, 2 * granule + 1, (5 << 20) + 1] {
            let takes = self.takes(bytes)?;
            if takes != bytes.next_multiple_of(granule) {
                return Ok(Err(format!(
                    "one byte takes {granule} of the card's pool and {bytes} take {takes}: no multiple of one size"
                )));
            }
        }
        Ok(Ok(granule))
    }

    /// Bytes that a tensor of so many takes.
    fn takes(&self, bytes: u64) -> Result<u64, Fault> {
        let before = self.used()?;
        let length = usize::try_from(bytes).map_err(|_| Fault::internal("a tensor larger than memory"))?;
        let tensor = Tensor::zeros(length, DType::U8, &self.device)?;
        let with = self.used()?;
        drop(tensor);
        Ok(with.saturating_sub(before))
    }
}
