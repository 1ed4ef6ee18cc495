use std::collections::HashSet;
use std::sync::Arc;

use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Side;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{ModelProto, ValueInfoProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::transform::get_transform;

use super::{Contract, Engine, EngineError, EngineKind, Precision, channels_last, expand};

/// The engine that is always there.
pub(crate) struct TractEngine {
    plan: Arc<TypedRunnableModel>,
    contract: Contract,
    precision: Precision,
    form: TractForm,
    threads: Threads,
}

/// How tract computes a graph. None is the fastest for all graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TractForm {
    /// As the graph is written.
    Plain,
    /// Convolutions with the channels last, most of them our own: faster where they are depthwise.
    Nhwc,
    /// Integer weights made float at load, then as [`TractForm::Plain`].
    Expanded,
    /// Integer weights made float at load, then as [`TractForm::Nhwc`].
    ExpandedNhwc,
}

impl TractForm {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Nhwc => "nhwc",
            Self::Expanded => "expanded",
            Self::ExpandedNhwc => "expanded nhwc",
        }
    }

    pub(crate) fn channels_last(self) -> bool {
        matches!(self, Self::Nhwc | Self::ExpandedNhwc)
    }

    pub(crate) fn expands(self) -> bool {
        matches!(self, Self::Expanded | Self::ExpandedNhwc)
    }
}

/// The threads a large product is shared out to; made once, for all of tract's graphs.
#[derive(Clone)]
pub(crate) struct Threads(Executor);

impl Threads {
    pub(crate) fn new(count: usize) -> Self {
        Self(if count < 2 {
            Executor::SingleThread
        } else {
            Executor::multithread_with_name(count, "inference")
        })
    }

    /// Runs it on one of them: called from outside, they would be woken and waited for at every product.
    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.0 {
            Executor::MultiThread(pool) => pool.install(|| multithread_tract_scope(self.0.clone(), work)),
            executor => multithread_tract_scope(executor.clone(), work),
        }
    }
}

impl TractEngine {
    pub(crate) fn load(
        onnx: &[u8],
        precision: Precision,
        form: TractForm,
        contract: Contract,
        threads: Threads,
    ) -> Result<Self, EngineError> {
        let failed = |error: TractError| EngineError::Load {
            reason: format!("{error:#}"),
        };
        let mut proto = read(onnx).map_err(failed)?;
        if form.expands() {
            expand::expand(&mut proto).map_err(|reason| EngineError::Load {
                reason: reason.to_owned(),
            })?;
        }
        name_input(&proto, &contract)?;
        let model = tract_onnx::onnx().parse(&proto, None).map_err(failed)?;
        drop(proto);
        let output = model.outlets_by_name.get(&contract.output_name);
        let output = *output.ok_or(EngineError::Shape)?;
        let mut model = model.model;
        if model.input_outlets().map_err(failed)?.len() != 1 {
            return Err(EngineError::Shape);
        }
        model.select_output_outlets(&[output]).map_err(failed)?;
        let plan = model
            .with_input_fact(0, f32::fact(contract.input).into())
            .and_then(|model| optimised(model, form))
            .and_then(IntoRunnable::into_runnable)
            .map_err(failed)?;
        Ok(Self {
            plan,
            contract,
            precision,
            form,
            threads,
        })
    }
}

fn read(onnx: &[u8]) -> TractResult<ModelProto> {
    tract_onnx::onnx().proto_model_for_read(&mut std::io::Cursor::new(onnx))
}

/// The graph's one input, initial values aside, is the promised one.
fn name_input(proto: &ModelProto, contract: &Contract) -> Result<(), EngineError> {
    let graph = proto.graph.as_ref().ok_or(EngineError::Shape)?;
    let given: HashSet<&str> = graph
        .initializer
        .iter()
        .map(|value| value.name.as_str())
        .collect();
    let mut inputs = graph
        .input
        .iter()
        .filter(|input| !given.contains(input.name.as_str()));
    match (inputs.next(), inputs.next()) {
        (Some(only), None) if only.name == contract.input_name && fits(only, contract.input) => Ok(()),
        _ => Err(EngineError::Shape),
    }
}

/// Sides a graph leaves open take any length.
fn fits(input: &ValueInfoProto, wanted: [usize; 4]) -> bool {
    let Some(TypeValue::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref())
    else {
        return false;
    };
    let Some(shape) = &tensor.shape else { return true };
    let fits = |(side, wanted): (&Dimension, usize)| match side.value {
        Some(Side::DimValue(length)) => length <= 0 || usize::try_from(length) == Ok(wanted),
        Some(Side::DimParam(_)) | None => true,
    };
    shape.dim.len() == wanted.len() && shape.dim.iter().zip(wanted).all(fits)
}

fn optimised(model: InferenceModel, form: TractForm) -> TractResult<TypedModel> {
    if !form.channels_last() {
        return model.into_optimized();
    }
    let mut model = model.into_typed()?;
    channels_last::rewrite(&mut model)?;
    // What is left to tract itself.
    let transform = get_transform("conv_nhwc")?;
    let model = model.into_decluttered()?;
    let model = match transform {
        Some(transform) => transform.transform_into(model)?,
        None => model,
    };
    model.into_decluttered()?.into_optimized()
}

/// What of a graph decides which ways to run it are worth a try.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Traits {
    /// Convolutions of single channels are faster with the channels last.
    pub(crate) depthwise: bool,
    /// It holds integers that can be made float.
    pub(crate) quantized: bool,
}

impl Traits {
    pub(crate) fn of(onnx: &[u8]) -> Self {
        let Ok(proto) = read(onnx) else {
            return Self::default();
        };
        let nodes = || proto.graph.iter().flat_map(|graph| &graph.node);
        let mut convolutions = nodes().filter(|node| node.op_type == "Conv");
        Self {
            depthwise: convolutions.any(|node| {
                let mut attributes = node.attribute.iter();
                attributes.any(|attribute| attribute.name == "group" && 1 < attribute.i)
            }),
            quantized: nodes().any(|node| node.op_type == "DequantizeLinear"),
        }
    }
}

impl Engine for TractEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Tract
    }

    fn precision(&self) -> Precision {
        self.precision
    }

    fn form(&self) -> &'static str {
        self.form.as_str()
    }

    fn run(&self, input: &[f32]) -> Result<Vec<f32>, EngineError> {
        let failed = |error: TractError| EngineError::Run {
            reason: format!("{error:#}"),
        };
        self.contract.takes(input)?;
        let tensor = Tensor::from_shape(&self.contract.input, input).map_err(failed)?;
        let ran = self.threads.run(|| {
            let outputs = self.plan.run(tvec!(tensor.into_tvalue()))?;
            Ok(outputs.into_iter().next().map(TValue::into_tensor))
        });
        let output = ran.map_err(failed)?.ok_or(EngineError::Shape)?;
        let plain = output.try_as_plain_ram().map_err(failed)?;
        self.contract
            .gives(output.shape(), plain.as_slice::<f32>().map_err(failed)?)
    }
}
