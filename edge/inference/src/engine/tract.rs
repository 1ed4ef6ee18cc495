use std::sync::Arc;

use tract_onnx::prelude::*;

use super::{Contract, Engine, EngineError, EngineKind, FeatureMap, Precision};

/// The engine that is always there.
pub(crate) struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    contract: Contract,
    precision: Precision,
}

impl TractEngine {
    pub(crate) fn load(onnx: &[u8], precision: Precision, contract: Contract) -> Result<Self, EngineError> {
        let failed = |error: TractError| EngineError::Load {
            reason: format!("{error:#}"),
        };
        let [height, width] = contract.input;
        let model = tract_onnx::onnx()
            .model_for_read(&mut std::io::Cursor::new(onnx))
            .map_err(failed)?;
        let inputs = model.input_outlets().map_err(failed)?.len();
        let outputs = model.output_outlets().map_err(failed)?.len();
        if inputs != 1 || outputs != 1 {
            return Err(EngineError::Shape);
        }
        let plan = model
            .with_input_fact(0, f32::fact([1, 1, height, width]).into())
            .and_then(InferenceModelExt::into_optimized)
            .and_then(IntoRunnable::into_runnable)
            .map_err(failed)?;
        Ok(Self {
            plan,
            contract,
            precision,
        })
    }
}

impl Engine for TractEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Tract
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn run(&self, input: &[f32]) -> Result<FeatureMap, EngineError> {
        let failed = |error: TractError| EngineError::Run {
            reason: format!("{error:#}"),
        };
        let [height, width] = self.contract.input;
        if input.len() != height * width {
            return Err(EngineError::Shape);
        }
        let tensor = Tensor::from_shape(&[1, 1, height, width], input).map_err(failed)?;
        let outputs = self.plan.run(tvec!(tensor.into_tvalue())).map_err(failed)?;
        let output = outputs.first().ok_or(EngineError::Shape)?;
        let data = output
            .try_as_plain_ram()
            .and_then(|plain| Ok(plain.as_slice::<f32>()?.to_vec()))
            .map_err(failed)?;
        FeatureMap::checked(&self.contract, output.shape(), data)
    }
}
