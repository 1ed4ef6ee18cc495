use fearless_simd::Level;
use proptest::prelude::*;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::{AxisOp, TypedOp};
use tract_onnx::tract_core::ops::cnn::conv::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::cnn::{PaddingSpec, PoolSpec};
use tract_onnx::tract_core::ops::math;
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer};

use super::gate::Gate;
use super::op::ChannelsLast;
use super::rewrite::rewrite_for;

/// A convolution and what follows it.
#[derive(Debug, Clone)]
struct Case {
    depthwise: bool,
    inputs: usize,
    outputs: usize,
    picture: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: PaddingSpec,
    bias: bool,
    /// A factor and a summand for every channel, as a batch norm has them.
    norm: bool,
    added: bool,
    limits: Option<[f32; 2]>,
}

fn numbers(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|place| (place as f32 * seed).sin()).collect()
}

fn model(case: &Case) -> TypedModel {
    let mut model = TypedModel::default();
    let [height, width] = case.picture;
    let [down, right] = case.kernel;
    let each = if case.depthwise { 1 } else { case.inputs };
    let mut tensor = |name: &str, shape: &[usize], seed| {
        let numbers = numbers(shape.iter().product(), seed);
        model
            .add_const(name, Tensor::from_shape(shape, &numbers).unwrap())
            .unwrap()
    };
    let weights = tensor("weights", &[case.outputs, each, down, right], 0.37);
    let bias = if case.bias { 0.91 } else { 0.0 };
    let bias = tensor("bias", &[case.outputs], bias);
    let factor = tensor("factor", &[1, case.outputs, 1, 1], 0.23);
    let summand = tensor("summand", &[1, case.outputs, 1, 1], 0.71);
    let lowest = case.limits.map(|limits| limits[0]);
    let highest = case.limits.map(|limits| limits[1]);
    let one = |value: f32| Tensor::from_shape(&[1, 1, 1, 1], &[value]).unwrap();
    let input = model
        .add_source("x", f32::fact([1, case.inputs, height, width]))
        .unwrap();
    let conv = Conv {
        pool_spec: PoolSpec {
            data_format: DataFormat::NCHW,
            kernel_shape: case.kernel.to_vec().into(),
            padding: case.padding.clone(),
            dilations: Some(case.dilation.to_vec().into()),
            strides: Some(case.stride.to_vec().into()),
            input_channels: case.inputs,
            output_channels: case.outputs,
        },
        kernel_fmt: KernelFormat::OIHW,
        group: if case.depthwise { case.inputs } else { 1 },
        q_params: None,
    };
    let wire = |model: &mut TypedModel, name: &str, op: Box<dyn TypedOp>, inputs: &[OutletId]| {
        model.wire_node(name, op, inputs).unwrap()[0]
    };
    let mut last = wire(&mut model, "conv", Box::new(conv), &[input, weights, bias]);
    if case.norm {
        last = wire(&mut model, "scale", Box::new(math::mul()), &[last, factor]);
        last = wire(&mut model, "shift", Box::new(math::add()), &[summand, last]);
    }
    if case.added {
        let shape = model
            .outlet_fact(last)
            .unwrap()
            .shape
            .as_concrete()
            .unwrap()
            .to_vec();
        let other = model.add_source("y", f32::fact(shape)).unwrap();
        last = wire(&mut model, "sum", Box::new(math::add()), &[last, other]);
    }
    if let (Some(lowest), Some(highest)) = (lowest, highest) {
        let lowest = model.add_const("lowest", one(lowest)).unwrap();
        let highest = model.add_const("highest", one(highest)).unwrap();
        last = wire(&mut model, "max", Box::new(math::max()), &[last, lowest]);
        last = wire(&mut model, "min", Box::new(math::min()), &[last, highest]);
    }
    model.select_output_outlets(&[last]).unwrap();
    model
}

fn answer(model: TypedModel) -> Vec<f32> {
    let plan = model.into_optimized().unwrap().into_runnable().unwrap();
    let inputs = (0..plan.model().inputs.len()).map(|input| {
        let shape = plan
            .model()
            .input_fact(input)
            .unwrap()
            .shape
            .as_concrete()
            .unwrap()
            .to_vec();
        let numbers = numbers(shape.iter().product(), 0.13 + input as f32);
        Tensor::from_shape(&shape, &numbers).unwrap().into_tvalue()
    });
    let outputs = plan.run(inputs.collect()).unwrap();
    outputs[0]
        .try_as_plain_ram()
        .unwrap()
        .as_slice::<f32>()
        .unwrap()
        .to_vec()
}

/// The widest vectors there are, narrower ones, and the narrowest.
fn levels() -> Vec<Level> {
    let mut levels = vec![Level::new(), Level::baseline()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(Level::new().as_avx2().map(Level::Avx2));
    levels
}

/// Every level answers as tract does, with nothing left behind the layer.
fn equals_tract(case: &Case) -> Result<(), TestCaseError> {
    let expected = answer(model(case));
    for level in levels() {
        let mut ours = model(case);
        rewrite_for(Some(level), &mut ours).unwrap();
        let layers = ours
            .nodes
            .iter()
            .filter(|node| node.op_is::<ChannelsLast>())
            .count();
        if super::layer::lanes(level) <= case.outputs {
            prop_assert_eq!(layers, 1);
            let computes = |node: &&TypedNode| {
                !node.inputs.is_empty() && !node.op_is::<ChannelsLast>() && !node.op_is::<AxisOp>()
            };
            // A depthwise layer adds nothing but its bias.
            if !(case.depthwise && case.added) {
                prop_assert_eq!(ours.nodes.iter().filter(computes).count(), 0);
            }
        }
        let got = answer(ours);
        prop_assert_eq!(got.len(), expected.len());
        let scale = expected.iter().fold(1.0_f32, |most, value| most.max(value.abs()));
        for (got, expected) in got.iter().zip(&expected) {
            prop_assert!(
                (got - expected).abs() <= 1e-5 * scale,
                "{} {} at {:?}",
                got,
                expected,
                level
            );
        }
    }
    Ok(())
}

fn paddings() -> impl Strategy<Value = PaddingSpec> {
    let sides = || [0..3_usize, 0..3_usize];
    prop_oneof![
        Just(PaddingSpec::Valid),
        Just(PaddingSpec::SameUpper),
        Just(PaddingSpec::SameLower),
        (sides(), sides())
            .prop_map(|(before, after)| PaddingSpec::Explicit(before.to_vec().into(), after.to_vec().into())),
    ]
}

fn cases(depthwise: bool) -> impl Strategy<Value = Case> {
    let side = prop_oneof![Just(1_usize), Just(3), Just(5)];
    let kernel = if depthwise {
        [side.clone(), side].boxed()
    } else {
        prop_oneof![3 => Just([1, 1]), 1 => Just([3, 3]), 1 => Just([2, 3])].boxed()
    };
    let limits = prop_oneof![Just(None), Just(Some([0.0, 6.0])), Just(Some([-0.5, 0.25]))];
    (
        (
            kernel,
            [1..3_usize, 1..3_usize],
            [1..3_usize, 1..3_usize],
            paddings(),
        ),
        (1..60_usize, 1..90_usize, [9..20_usize, 9..20_usize]),
        (any::<[bool; 3]>(), limits),
    )
        .prop_map(move |(shape, size, ([bias, norm, added], limits))| {
            let (kernel, stride, dilation, padding) = shape;
            let (inputs, outputs, picture) = size;
            // A dense layer of several taps is for a picture's few channels.
            let inputs = if depthwise {
                inputs + 1
            } else if kernel == [1, 1] {
                inputs
            } else {
                1 + inputs % 9
            };
            Case {
                depthwise,
                inputs,
                outputs: if depthwise { inputs } else { outputs },
                picture,
                kernel,
                stride,
                dilation: if depthwise { dilation } else { [1, 1] },
                padding,
                bias,
                norm,
                added,
                limits,
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn depthwise_layers_equal_tract(case in cases(true)) {
        equals_tract(&case)?;
    }

    #[test]
    fn dense_layers_equal_tract(case in cases(false)) {
        equals_tract(&case)?;
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let case = Case {
        depthwise: true,
        inputs: 32,
        outputs: 32,
        picture: [8, 8],
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: PaddingSpec::SameUpper,
        bias: true,
        norm: false,
        added: false,
        limits: Some([0.0, 6.0]),
    };
    for level in levels() {
        for depthwise in [true, false] {
            let kernel = if depthwise { [3, 3] } else { [1, 1] };
            let mut ours = model(&Case {
                depthwise,
                kernel,
                ..case.clone()
            });
            rewrite_for(Some(level), &mut ours).unwrap();
            let plan = ours.into_optimized().unwrap().into_runnable().unwrap();
            let picture = Tensor::from_shape(&[1, 32, 8, 8], &[f32::NAN; 32 * 64]).unwrap();
            let outputs = plan.run(tvec!(picture.into_tvalue())).unwrap();
            let values = outputs[0].try_as_plain_ram().unwrap();
            assert!(
                values
                    .as_slice::<f32>()
                    .unwrap()
                    .iter()
                    .all(|value| value.is_nan()),
                "{level:?}"
            );
        }
    }
}

/// Squeeze and excitation: a mean of every channel, and every channel times what comes of it.
#[test]
fn gates_equal_tract() {
    let gated = |channels: usize| {
        let mut model = TypedModel::default();
        let input = model.add_source("x", f32::fact([1, channels, 9, 7])).unwrap();
        let sums = Reduce::new(tvec!(2, 3), Reducer::Sum);
        let sums = model.wire_node("sums", sums, &[input]).unwrap()[0];
        let out = model.wire_node("gate", math::mul(), &[sums, input]).unwrap();
        model.select_output_outlets(&out).unwrap();
        model
    };
    for channels in [1, 5, 40] {
        let mut ours = gated(channels);
        super::rewrite(&mut ours).unwrap();
        assert_eq!(ours.nodes.iter().filter(|node| node.op_is::<Gate>()).count(), 2);
        for (got, expected) in answer(ours).iter().zip(&answer(gated(channels))) {
            assert!((got - expected).abs() <= 1e-4, "{got} {expected}");
        }
    }
}

#[test]
fn the_default_backbone_is_all_ours_and_gives_the_same_features() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/bundles/cxr-pneumonia/backbone.f32.onnx"
    );
    let read = || {
        let model = onnx().model_for_path(path).unwrap();
        let model = model
            .with_input_fact(0, f32::fact([1, 1, 160, 160]).into())
            .unwrap();
        model.into_typed().unwrap()
    };
    let expected = answer(read());
    let mut ours = read();
    super::rewrite(&mut ours).unwrap();
    let ours = ours.into_decluttered().unwrap();
    let computes = |node: &&TypedNode| {
        !node.inputs.is_empty() && !node.op_is::<ChannelsLast>() && !node.op_is::<AxisOp>()
    };
    assert_eq!(ours.nodes.iter().filter(computes).count(), 0);
    // Into the first layer and out of the last.
    assert!(ours.nodes.iter().filter(|node| node.op_is::<AxisOp>()).count() <= 2);
    for (got, expected) in answer(ours).iter().zip(&expected) {
        assert!((got - expected).abs() <= 1e-4, "{got} {expected}");
    }
}
