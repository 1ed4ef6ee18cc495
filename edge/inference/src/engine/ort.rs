use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use serde::{Deserialize, Serialize};

use super::{Contract, Engine, EngineError, EngineKind, Precision};

/// ONNX Runtime, loaded from a library at run time.
pub(crate) struct OrtEngine {
    /// A session runs one input at a time.
    session: Mutex<Session>,
    contract: Contract,
    precision: Precision,
    provider: Provider,
}

/// What ONNX Runtime computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Any processor.
    Cpu,
    /// A graphics card.
    Cuda,
    /// A graphics card or a Jetson, with kernels built for the graph.
    TensorRt,
}

impl Provider {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }

    /// `None` for the processor, which needs no registration.
    fn registration(self, precision: Precision) -> Result<Option<ExecutionProviderDispatch>, EngineError> {
        let there = |available: ort::Result<bool>| match available {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(EngineError::Provider {
                provider: self.as_str(),
            }),
        };
        Ok(match self {
            Self::Cpu => None,
            Self::Cuda => {
                there(ep::CUDA::is_available())?;
                // Rounded products would not be the golden ones.
                Some(ep::CUDA::default().with_tf32(false).build().error_on_failure())
            }
            Self::TensorRt => {
                there(ep::TensorRT::is_available())?;
                let integers = precision == Precision::Int8;
                let provider = ep::TensorRT::default().with_fp16(false).with_int8(integers);
                Some(provider.build().error_on_failure())
            }
        })
    }
}

/// The library and what its sessions share. A process may have one environment and has it to its end.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, ready to load graphs.
pub(crate) struct OrtLibrary {
    environment: Environment,
}

impl OrtLibrary {
    /// Loads the library the site names, else the one the environment names. A missing or too old one is an error here;
    /// any other call to the library would panic.
    pub(crate) fn load(configured: Option<&Path>) -> Result<Self, EngineError> {
        let path = find(configured)?;
        let unusable = |reason: String| EngineError::Library { reason };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((loaded, environment)) = loaded.as_ref() {
            if *loaded != path {
                return Err(unusable("another one is loaded; restart to change it".to_owned()));
            }
            return Ok(Self {
                environment: environment.clone(),
            });
        }
        let builder = ort::init_from(&path).map_err(|error| unusable(error.to_string()))?;
        let environment = builder
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        *loaded = Some((path, environment.clone()));
        Ok(Self { environment })
    }

    pub(crate) fn engine(
        &self,
        onnx: &File,
        precision: Precision,
        provider: Provider,
        contract: Contract,
        threads: usize,
    ) -> Result<OrtEngine, EngineError> {
        let registration = provider.registration(precision)?;
        let session = self
            .session(onnx, threads, registration)
            .map_err(|reason| EngineError::Load { reason })?;
        let [input] = session.inputs() else {
            return Err(EngineError::Shape);
        };
        let mut outputs = session.outputs().iter();
        if input.name() != contract.input_name || !outputs.any(|output| output.name() == contract.output_name)
        {
            return Err(EngineError::Shape);
        }
        Ok(OrtEngine {
            session: Mutex::new(session),
            contract,
            precision,
            provider,
        })
    }

    fn session(
        &self,
        onnx: &File,
        threads: usize,
        provider: Option<ExecutionProviderDispatch>,
    ) -> Result<Session, String> {
        // By its number, so that what was hashed is what is loaded; and from there, so that it is not in memory twice.
        let path = format!("/proc/self/fd/{}", onnx.as_raw_fd());
        Session::builder(&self.environment)
            .map_err(|error| error.to_string())?
            .with_execution_providers(provider.as_slice())
            .map_err(|error| error.to_string())?
            .with_intra_threads(threads.max(1))
            .map_err(|error| error.to_string())?
            .with_inter_threads(1)
            .map_err(|error| error.to_string())?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| error.to_string())?
            .commit_from_file(path)
            .map_err(|error| error.to_string())
    }
}

/// Tells one library from another: its path, its length and when it was written. Empty where there is none.
pub(crate) fn identity(configured: Option<&Path>) -> String {
    let Ok(path) = find(configured) else {
        return String::new();
    };
    let written = path.metadata().map(|file| (file.len(), file.modified().ok()));
    format!("{} {written:?}", path.display())
}

fn find(configured: Option<&Path>) -> Result<PathBuf, EngineError> {
    let path = match configured {
        Some(path) => path.to_path_buf(),
        None => match std::env::var_os("ORT_DYLIB_PATH") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => beside_the_program().ok_or(EngineError::LibraryNotNamed)?,
        },
    };
    // The loader would say no more than "not found", and look in other places first.
    if !path.is_file() {
        return Err(EngineError::LibraryMissing { path });
    }
    path.canonicalize().map_err(|error| EngineError::Library {
        reason: error.to_string(),
    })
}

/// Where packages that bring the library put it.
fn beside_the_program() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let folder = program.parent()?;
    let places = ["libonnxruntime.so", "../lib/barefoot/libonnxruntime.so"];
    places
        .map(|place| folder.join(place))
        .into_iter()
        .find(|path| path.is_file())
}

impl Engine for OrtEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Ort
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn form(&self) -> &'static str {
        self.provider.as_str()
    }

    fn run(&self, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        let failed = |error: ort::Error| EngineError::Run {
            reason: error.to_string(),
        };
        self.contract.takes(input)?;
        let tensor = TensorRef::from_array_view((self.contract.input, input)).map_err(failed)?;
        // A panic in another run leaves the session as it was.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session
            .run(ort::inputs![self.contract.input_name.as_str() => tensor])
            .map_err(failed)?;
        let output = outputs
            .get(self.contract.output_name.as_str())
            .ok_or(EngineError::Shape)?;
        let (shape, data) = output.try_extract_tensor::<f32>().map_err(failed)?;
        let shape: Vec<usize> = shape
            .iter()
            .map(|side| usize::try_from(*side).unwrap_or(0))
            .collect();
        self.contract.gives(&shape, data)
    }
}
