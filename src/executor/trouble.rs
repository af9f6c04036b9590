//! What to do about a card that does not do what it is asked: the driver's errors in words.

use std::fmt;

/// Why a card fails, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The name that NVIDIA gives it.
    pub name: &'static str,
    message: &'static str,
    /// What helps.
    pub help: &'static str,
}

/// What several errors mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cause {
    message: &'static str,
    help: &'static str,
}

const NO_DRIVER: Cause = Cause {
    message: "there is no NVIDIA driver on this machine",
    help: "`nvidia-smi` must list the card: it comes with the driver, whose `libcuda.so.1` was not found",
};
const NO_CARD: Cause = Cause {
    message: "the driver finds no card",
    help: "`nvidia-smi` lists the cards that there are; CUDA_VISIBLE_DEVICES may hide them",
};
const BROKEN_DRIVER: Cause = Cause {
    message: "the driver does not start",
    help: "`nvidia-smi` says more; after an update of the driver the machine must be restarted",
};
const OLD_DRIVER: Cause = Cause {
    message: "the driver is older than the toolkit that this program was built with",
    help: "update the driver, or build with a toolkit of the version that `nvidia-smi` tells, or an older one",
};
const ARCHITECTURE: Cause = Cause {
    message: "this program was built for another architecture than the card's",
    help: "`nvidia-smi --query-gpu=compute_cap --format=csv` tells the card's, such as 8.0; build again with \
           CUDA_COMPUTE_CAP=80",
};
const MEMORY: Cause = Cause {
    message: "the card has not enough memory",
    help: "a smaller --batch or --input, --dtype f16, or --no-training takes less; `nvidia-smi` tells who else uses the card",
};
const LIBRARY: Cause = Cause {
    message: "NVIDIA's cuBLAS or cuRAND does not start",
    help: "its library must be of the toolkit's version, and in a folder that LD_LIBRARY_PATH names",
};

/// Names of the driver's and the libraries' errors, and what each is a case of.
const KNOWN: &[(&str, Cause)] = &[
    ("CUDA_ERROR_STUB_LIBRARY", NO_DRIVER),
    ("CUDA_ERROR_NO_DEVICE", NO_CARD),
    ("CUDA_ERROR_INVALID_DEVICE", NO_CARD),
    ("CUDA_ERROR_DEVICE_UNAVAILABLE", NO_CARD),
    ("CUDA_ERROR_NOT_INITIALIZED", BROKEN_DRIVER),
    ("CUDA_ERROR_SYSTEM_NOT_READY", BROKEN_DRIVER),
    ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", BROKEN_DRIVER),
    ("CUDA_ERROR_OPERATING_SYSTEM", BROKEN_DRIVER),
    ("CUDA_ERROR_UNKNOWN", BROKEN_DRIVER),
    ("CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", OLD_DRIVER),
    ("CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", OLD_DRIVER),
    ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION", OLD_DRIVER),
    ("CUDA_ERROR_NO_BINARY_FOR_GPU", ARCHITECTURE),
    ("CUDA_ERROR_INVALID_PTX", ARCHITECTURE),
    ("CUDA_ERROR_INVALID_IMAGE", ARCHITECTURE),
    ("CUBLAS_STATUS_ARCH_MISMATCH", ARCHITECTURE),
    ("CURAND_STATUS_ARCH_MISMATCH", ARCHITECTURE),
    ("CUDA_ERROR_OUT_OF_MEMORY", MEMORY),
    ("CUBLAS_STATUS_ALLOC_FAILED", MEMORY),
    ("CURAND_STATUS_ALLOCATION_FAILED", MEMORY),
    ("CUBLAS_STATUS_NOT_INITIALIZED", LIBRARY),
    ("CURAND_STATUS_NOT_INITIALIZED", LIBRARY),
    ("CURAND_STATUS_INITIALIZATION_FAILED", LIBRARY),
    ("CURAND_STATUS_VERSION_MISMATCH", LIBRARY),
];

impl Trouble {
    /// What a message of the device is a case of; `None` for what is none of these.
    pub fn of(message: &str) -> Option<Self> {
        let is_named = |name: &str| {
            // A whole word: names begin with each other.
            message.match_indices(name).any(|(at, _)| {
                !message[at + name.len()..]
                    .starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_')
            })
        };
        let (name, Cause { message, help }) = *KNOWN.iter().find(|(name, _)| is_named(name))?;
        Some(Self { name, message, help })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_driver_are_known() {
        // As cudarc writes them, with and without a driver to ask for the text.
        let cases = [
            (
                r#"DriverError(CUDA_ERROR_STUB_LIBRARY, "<Failure when calling cuGetErrorString()>")"#,
                NO_DRIVER,
            ),
            (r#"DriverError(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected")"#, NO_CARD),
            (r#"DriverError(CUDA_ERROR_OUT_OF_MEMORY, "out of memory")"#, MEMORY),
            (
                r#"DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain.")"#,
                OLD_DRIVER,
            ),
            (
                r#"DriverError(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device")"#,
                ARCHITECTURE,
            ),
            (
                r#"DriverError(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed") when loading affine"#,
                ARCHITECTURE,
            ),
            ("CublasError(CUBLAS_STATUS_NOT_INITIALIZED)", LIBRARY),
            ("CublasError(CUBLAS_STATUS_ALLOC_FAILED)", MEMORY),
            ("CurandError(CURAND_STATUS_INITIALIZATION_FAILED)", LIBRARY),
        ];
        for (message, cause) in cases {
            let trouble = Trouble::of(message).unwrap();
            assert!(message.contains(trouble.name), "{message}");
            assert_eq!(Cause { message: trouble.message, help: trouble.help }, cause, "{message}");
        }
        let told = Trouble::of("CUDA_ERROR_OUT_OF_MEMORY").unwrap().to_string();
        assert_eq!(told, "the card has not enough memory (CUDA_ERROR_OUT_OF_MEMORY)");
    }

    #[test]
    fn others_are_not_taken_for_them() {
        for message in [
            "unexpected dtype, expected: F32, got: F16",
            r#"DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered")"#,
            // Begins as another does.
            "DriverError(CUDA_ERROR_INVALID_DEVICE_OF_TOMORROW)",
        ] {
            assert_eq!(Trouble::of(message), None, "{message}");
        }
    }

    #[test]
    fn each_name_stands_once() {
        for (index, (name, _)) in KNOWN.iter().enumerate() {
            assert!(KNOWN[..index].iter().all(|(other, _)| other != name), "{name}");
        }
    }
}
