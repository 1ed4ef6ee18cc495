use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Outlet, TensorRef};

use super::{Contract, Engine, EngineError, EngineKind, FeatureMap, Precision};

/// ONNX Runtime, loaded from a library at run time.
pub(crate) struct OrtEngine {
    /// A session runs one input at a time.
    session: Mutex<Session>,
    contract: Contract,
    precision: Precision,
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
        onnx: &[u8],
        precision: Precision,
        contract: Contract,
        threads: usize,
    ) -> Result<OrtEngine, EngineError> {
        let session = self
            .session(onnx, threads)
            .map_err(|reason| EngineError::Load { reason })?;
        let named = |outlets: &[Outlet], name: &str| {
            outlets.len() == 1 && outlets.iter().any(|outlet| outlet.name() == name)
        };
        if !named(session.inputs(), &contract.input_name) || !named(session.outputs(), &contract.output_name)
        {
            return Err(EngineError::Shape);
        }
        Ok(OrtEngine {
            session: Mutex::new(session),
            contract,
            precision,
        })
    }

    fn session(&self, onnx: &[u8], threads: usize) -> Result<Session, String> {
        Session::builder(&self.environment)
            .map_err(|error| error.to_string())?
            .with_intra_threads(threads.max(1))
            .map_err(|error| error.to_string())?
            .with_inter_threads(1)
            .map_err(|error| error.to_string())?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(|error| error.to_string())?
            .commit_from_memory(onnx)
            .map_err(|error| error.to_string())
    }
}

fn find(configured: Option<&Path>) -> Result<PathBuf, EngineError> {
    let path = match configured {
        Some(path) => path.to_path_buf(),
        None => match std::env::var_os("ORT_DYLIB_PATH") {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => return Err(EngineError::LibraryNotNamed),
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

impl Engine for OrtEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Ort
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn run(&self, input: &[f32]) -> Result<FeatureMap, EngineError> {
        let failed = |error: ort::Error| EngineError::Run {
            reason: error.to_string(),
        };
        let [height, width] = self.contract.input;
        if input.len() != height * width {
            return Err(EngineError::Shape);
        }
        let tensor = TensorRef::from_array_view(([1, 1, height, width], input)).map_err(failed)?;
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
        FeatureMap::checked(&self.contract, &shape, data.to_vec())
    }
}
