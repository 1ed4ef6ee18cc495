//! Integer weights made float: a quantized graph then runs as fast as a float one on an engine whose integer kernels are
//! slow, and only the small file travels.
//!
//! A weight in front of `DequantizeLinear` becomes the float it stands for. A pair of `QuantizeLinear` and
//! `DequantizeLinear` on the way of a picture becomes a `Clip` to what the integer could hold: quantizers leave a ReLU
//! out where that limit does its work. Where the limits are found anew for every picture, nothing is left of the pair. Only
//! the rounding between is lost; the golden check says whether it mattered.

use std::collections::HashMap;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

/// With fixed limits, and with limits of its own for every picture.
const QUANTIZERS: [&str; 2] = ["QuantizeLinear", "DynamicQuantizeLinear"];

/// # Errors
/// When a part of the graph is not what quantizers write.
pub(super) fn expand(model: &mut ModelProto) -> Result<(), &'static str> {
    let opset = model
        .opset_import
        .iter()
        .filter(|set| set.domain.is_empty())
        .map(|set| set.version)
        .max();
    // Before it, a Clip has its limits as attributes.
    if opset.is_none_or(|version| version < 11) {
        return Err("integer weights are made float from opset 11 on");
    }
    model
        .graph
        .as_mut()
        .map_or(Err("the file holds no graph"), expand_graph)
}

fn expand_graph(graph: &mut GraphProto) -> Result<(), &'static str> {
    let values: HashMap<String, TensorProto> = graph
        .initializer
        .iter()
        .map(|value| (value.name.clone(), value.clone()))
        .collect();
    let quantizers: HashMap<String, NodeProto> = graph
        .node
        .iter()
        .filter(|node| QUANTIZERS.contains(&node.op_type.as_str()))
        .filter_map(|node| Some((node.output.first()?.clone(), node.clone())))
        .collect();
    let mut made = Vec::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        if node.op_type == "DequantizeLinear" {
            let (Some(source), Some(target)) = (node.input.first(), node.output.first()) else {
                return Err("DequantizeLinear without input or output");
            };
            if let Some(weight) = values.get(source) {
                made.push(dequantized(weight, &node, &values)?);
                continue;
            }
            if let Some(quantizer) = quantizers.get(source) {
                let from = quantizer.input.first().ok_or("a quantizer without input")?;
                let (mut input, mut operator) = (vec![from.clone()], "Identity");
                if quantizer.op_type == QUANTIZERS[0] {
                    let (lowest, highest) = limits(&node, &values)?;
                    let (low, high) = (format!("{target}.lowest"), format!("{target}.highest"));
                    made.push(scalar(&low, lowest));
                    made.push(scalar(&high, highest));
                    input.extend([low, high]);
                    operator = "Clip";
                }
                node = NodeProto {
                    input,
                    output: vec![target.clone()],
                    name: format!("{}.range", node.name),
                    op_type: operator.to_owned(),
                    ..NodeProto::default()
                };
            }
        }
        nodes.push(node);
    }
    // Quantizers nobody asks any more, then the numbers nobody asks any more.
    let asked = names(
        &nodes,
        &graph
            .output
            .iter()
            .map(|value| value.name.clone())
            .collect::<Vec<_>>(),
    );
    nodes.retain(|node| {
        !QUANTIZERS.contains(&node.op_type.as_str())
            || node.output.iter().any(|output| asked.contains(output))
    });
    let asked = names(&nodes, &[]);
    graph.initializer.extend(made);
    graph.initializer.retain(|value| asked.contains(&value.name));
    graph
        .input
        .retain(|input| !values.contains_key(&input.name) || asked.contains(&input.name));
    graph.value_info.clear();
    graph.node = nodes;
    Ok(())
}

fn names(nodes: &[NodeProto], more: &[String]) -> std::collections::HashSet<String> {
    let inputs = nodes.iter().flat_map(|node| &node.input);
    inputs.chain(more).cloned().collect()
}

fn scalar(name: &str, value: f32) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        data_type: DataType::Float as i32,
        raw_data: value.to_le_bytes().to_vec(),
        ..TensorProto::default()
    }
}

/// What the integers between a pair can stand for.
fn limits(node: &NodeProto, values: &HashMap<String, TensorProto>) -> Result<(f32, f32), &'static str> {
    let scale = scale(node, values)?;
    let [scale] = scale[..] else {
        return Err("a picture's values have one scale");
    };
    let Some(zero) = node.input.get(2).filter(|name| !name.is_empty()) else {
        return Ok((0.0, 255.0 * scale));
    };
    let zero = values.get(zero).ok_or("a zero point is a fixed number")?;
    let (lowest, highest) = range(zero)?;
    let zeros = integers(zero)?;
    let [zero] = zeros[..] else {
        return Err("a picture's values have one zero point");
    };
    Ok(((lowest - zero) * scale, (highest - zero) * scale))
}

/// The float weight a `DequantizeLinear` makes, under the name it had.
fn dequantized(
    weight: &TensorProto,
    node: &NodeProto,
    values: &HashMap<String, TensorProto>,
) -> Result<TensorProto, &'static str> {
    let numbers = integers(weight)?;
    let scale = scale(node, values)?;
    let zeros = match node.input.get(2).filter(|name| !name.is_empty()) {
        None => vec![0.0; scale.len()],
        Some(name) => integers(values.get(name).ok_or("a zero point is a fixed number")?)?,
    };
    if zeros.len() != scale.len() || scale.is_empty() {
        return Err("a scale for each zero point");
    }
    let sides: Vec<usize> = weight
        .dims
        .iter()
        .map(|side| usize::try_from(*side).map_err(|_| "a weight's side is negative"))
        .collect::<Result<_, _>>()?;
    if sides.iter().product::<usize>() != numbers.len() {
        return Err("a weight's numbers do not fill its shape");
    }
    // How far apart along the axis the scale changes.
    let inner = if scale.len() == 1 {
        numbers.len().max(1)
    } else {
        let axis = axis(node, sides.len())?;
        if sides.get(axis) != Some(&scale.len()) {
            return Err("a scale for each channel of the weight");
        }
        sides.iter().skip(axis + 1).product::<usize>().max(1)
    };
    let pairs: Vec<(f32, f32)> = scale.into_iter().zip(zeros).collect();
    let floats = numbers.iter().enumerate().flat_map(|(place, number)| {
        let (scale, zero) = pairs
            .get(place / inner % pairs.len())
            .copied()
            .unwrap_or((0.0, 0.0));
        ((number - zero) * scale).to_le_bytes()
    });
    Ok(TensorProto {
        name: node.output.first().cloned().unwrap_or_default(),
        data_type: DataType::Float as i32,
        dims: weight.dims.clone(),
        raw_data: floats.collect(),
        ..TensorProto::default()
    })
}

fn axis(node: &NodeProto, rank: usize) -> Result<usize, &'static str> {
    let named = node.attribute.iter().find(|attribute| attribute.name == "axis");
    let axis = named.map_or(1, |attribute| attribute.i);
    let rank = i64::try_from(rank).map_err(|_| "a weight has few sides")?;
    usize::try_from(if axis < 0 { axis + rank } else { axis }).map_err(|_| "an axis of the weight")
}

fn scale(node: &NodeProto, values: &HashMap<String, TensorProto>) -> Result<Vec<f32>, &'static str> {
    let named = node.input.get(1).and_then(|name| values.get(name));
    let tensor = named.ok_or("a scale is a fixed number")?;
    if DataType::try_from(tensor.data_type) != Ok(DataType::Float) {
        return Err("a scale is a float");
    }
    if tensor.raw_data.is_empty() {
        return Ok(tensor.float_data.clone());
    }
    let (numbers, _) = tensor.raw_data.as_chunks::<4>();
    Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

fn range(zero: &TensorProto) -> Result<(f32, f32), &'static str> {
    match DataType::try_from(zero.data_type) {
        Ok(DataType::Uint8) => Ok((0.0, 255.0)),
        Ok(DataType::Int8) => Ok((-128.0, 127.0)),
        Ok(DataType::Uint16) => Ok((0.0, 65_535.0)),
        Ok(DataType::Int16) => Ok((-32_768.0, 32_767.0)),
        _ => Err("quantized values have 8 or 16 bits"),
    }
}

/// Exact: quantizers keep biases, the widest of them, within what a float holds to the last digit that matters.
fn integers(tensor: &TensorProto) -> Result<Vec<f32>, &'static str> {
    let raw = &tensor.raw_data;
    let kind = DataType::try_from(tensor.data_type).map_err(|_| "a number of a known kind")?;
    Ok(match kind {
        DataType::Uint8 | DataType::Int8 | DataType::Uint16 | DataType::Int16 | DataType::Int32
            if raw.is_empty() =>
        {
            tensor.int32_data.iter().map(|number| *number as f32).collect()
        }
        DataType::Uint8 => raw.iter().map(|byte| f32::from(*byte)).collect(),
        DataType::Int8 => raw.iter().map(|byte| f32::from(byte.cast_signed())).collect(),
        DataType::Uint16 => {
            let (pairs, _) = raw.as_chunks::<2>();
            pairs
                .iter()
                .map(|pair| f32::from(u16::from_le_bytes(*pair)))
                .collect()
        }
        DataType::Int16 => {
            let (pairs, _) = raw.as_chunks::<2>();
            pairs
                .iter()
                .map(|pair| f32::from(i16::from_le_bytes(*pair)))
                .collect()
        }
        DataType::Int32 => {
            let (numbers, _) = raw.as_chunks::<4>();
            numbers
                .iter()
                .map(|bytes| i32::from_le_bytes(*bytes) as f32)
                .collect()
        }
        _ => return Err("a quantized number of a kind quantizers do not write"),
    })
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::{AttributeProto, OperatorSetIdProto, ValueInfoProto};

    use super::*;

    fn ints(name: &str, dims: &[i64], values: &[i8]) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            data_type: DataType::Int8 as i32,
            dims: dims.to_vec(),
            raw_data: values.iter().map(|value| value.cast_unsigned()).collect(),
            ..TensorProto::default()
        }
    }

    fn floats(name: &str, values: &[f32]) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            data_type: DataType::Float as i32,
            dims: vec![values.len() as i64],
            float_data: values.to_vec(),
            ..TensorProto::default()
        }
    }

    fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|&name| name.to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            ..NodeProto::default()
        }
    }

    fn model(node: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
        ModelProto {
            opset_import: vec![OperatorSetIdProto {
                version: 13,
                ..OperatorSetIdProto::default()
            }],
            graph: Some(GraphProto {
                node,
                initializer,
                output: vec![ValueInfoProto {
                    name: "y".to_owned(),
                    ..ValueInfoProto::default()
                }],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        }
    }

    fn named<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
        graph.initializer.iter().find(|value| value.name == name).unwrap()
    }

    fn read(tensor: &TensorProto) -> Vec<f32> {
        let (numbers, _) = tensor.raw_data.as_chunks::<4>();
        numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    }

    #[test]
    fn weights_become_the_floats_they_stand_for_channel_by_channel() {
        let mut dequantize = node("DequantizeLinear", &["q", "s", "z"], "w");
        dequantize.attribute = vec![AttributeProto {
            name: "axis".to_owned(),
            i: 0,
            ..AttributeProto::default()
        }];
        let mut model = model(
            vec![dequantize, node("MatMul", &["x", "w"], "y")],
            vec![
                ints("q", &[2, 2], &[1, -2, 3, 4]),
                floats("s", &[0.5, 2.0]),
                ints("z", &[2], &[0, 1]),
            ],
        );
        expand(&mut model).unwrap();
        let graph = model.graph.unwrap();
        assert_eq!(graph.node.len(), 1);
        assert_eq!(read(named(&graph, "w")), [0.5, -1.0, 4.0, 6.0]);
        assert_eq!(graph.initializer.len(), 1, "what nobody asks for is gone");
    }

    #[test]
    fn a_pair_on_the_way_keeps_its_limits() {
        let mut model = model(
            vec![
                node("QuantizeLinear", &["x", "s", "z"], "q"),
                node("DequantizeLinear", &["q", "s", "z"], "d"),
                node("Relu", &["d"], "y"),
            ],
            vec![floats("s", &[0.5]), ints("z", &[], &[-128])],
        );
        expand(&mut model).unwrap();
        let graph = model.graph.unwrap();
        let operators: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(operators, ["Clip", "Relu"]);
        assert_eq!(graph.node[0].input[0], "x");
        assert_eq!(read(named(&graph, "d.lowest")), [0.0]);
        assert_eq!(read(named(&graph, "d.highest")), [127.5]);
    }

    #[test]
    fn a_pair_with_limits_of_every_picture_goes_without_trace() {
        let mut dynamic = node("DynamicQuantizeLinear", &["x"], "q");
        dynamic.output.extend(["s".to_owned(), "z".to_owned()]);
        let pair = vec![
            dynamic,
            node("DequantizeLinear", &["q", "s", "z"], "d"),
            node("Relu", &["d"], "y"),
        ];
        let mut model = model(pair, vec![]);
        expand(&mut model).unwrap();
        let graph = model.graph.unwrap();
        let operators: Vec<&str> = graph.node.iter().map(|node| node.op_type.as_str()).collect();
        assert_eq!(operators, ["Identity", "Relu"]);
        assert_eq!(graph.node[0].input, ["x"]);
    }

    #[test]
    fn what_no_quantizer_writes_is_refused() {
        let weight = |sides: &[i64]| {
            model(
                vec![
                    node("DequantizeLinear", &["q", "s"], "w"),
                    node("MatMul", &["x", "w"], "y"),
                ],
                vec![ints("q", sides, &[1, 2]), floats("s", &[1.0, 2.0, 3.0])],
            )
        };
        for sides in [[2, 1], [1, 2], [-1, 2], [7, 7]] {
            assert!(expand(&mut weight(&sides)).is_err(), "{sides:?}");
        }
        assert!(expand(&mut ModelProto::default()).is_err());
    }
}
