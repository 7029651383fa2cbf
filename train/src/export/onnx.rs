//! The network as ONNX (onnx.ai, IR version 8, operator set 17), which onnxruntime and others run without this program.
//!
//! Input `image`, N x 3 x H x W in [0, 1] with H and W multiples of 32, all three left open; outputs `background`, `reflection`
//! and, with the gradient decoder, `gradient`. Batch norms take the running statistics, as in evaluation, and stay operators of
//! their own: a runtime folds them into the convolutions. Initialisers bear the state_dict's names. Field numbers below are
//! those of onnx/onnx.proto.

use std::cell::RefCell;

use candle_core::{DType, Result};

use crate::{
    net::{Block, Corrn, Kind, Walk},
    protobuf::Message,
};

/// onnx.proto's `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;
/// onnx.proto's `AttributeProto.AttributeType`.
const TYPE_FLOAT: u64 = 1;
const TYPE_INT: u64 = 2;
const TYPE_INTS: u64 = 7;
const IR_VERSION: u64 = 8;
const OPERATOR_SET: u64 = 17;

/// The whole file.
///
/// # Errors
/// What Candle answers while weights are copied from their device.
pub(super) fn model(net: &Corrn) -> Result<Vec<u8>> {
    let graph = Graph { nodes: RefCell::default() };
    let out = net.walk(&"image".to_owned(), &graph)?;
    let mut outputs = vec![("background", out.background, 3), ("reflection", out.reflection, 3)];
    outputs.extend(out.gradient.map(|value| ("gradient", value, 1)));
    let mut message = Message::new();
    for (name, value, _) in &outputs {
        graph.node("Identity", name, &[value], &[]);
    }
    for node in graph.nodes.into_inner() {
        message = message.message(1, &node.message());
    }
    message = message.bytes(2, b"CoRRN");
    for p in net.params().all() {
        let values: Vec<f32> = p.var.as_detached_tensor().flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = p.var.dims().iter().fold(Message::new(), |m, d| m.integer(1, *d as u64));
        message = message.message(5, &dims.integer(2, FLOAT).bytes(8, p.name.as_bytes()).bytes(9, &raw));
    }
    message = message.message(11, &picture("image", 3));
    for (name, _, channels) in &outputs {
        message = message.message(12, &picture(name, *channels));
    }
    let model = Message::new()
        .integer(1, IR_VERSION)
        .bytes(2, b"vitrine train")
        .bytes(3, env!("CARGO_PKG_VERSION").as_bytes())
        .bytes(6, b"CoRRN: image = background + reflection, in [0, 1]; height and width are multiples of 32")
        .message(7, &message)
        .message(8, &Message::new().bytes(1, b"").integer(2, OPERATOR_SET));
    Ok(model.0)
}

/// A value of the graph that users see: its name, type and shape.
fn picture(name: &str, channels: u64) -> Message {
    let open = |side: &str| Message::new().bytes(2, side.as_bytes());
    let sides = [open("batch"), Message::new().integer(1, channels), open("height"), open("width")];
    let shape = sides.iter().fold(Message::new(), |shape, side| shape.message(1, side));
    let tensor = Message::new().integer(1, FLOAT).message(2, &shape);
    Message::new().bytes(1, name.as_bytes()).message(2, &Message::new().message(1, &tensor))
}

/// The nodes so far, each after those that it needs.
struct Graph {
    nodes: RefCell<Vec<Node>>,
}

/// An operator: the value that it gives, which also names it, and those that it takes.
struct Node {
    operator: &'static str,
    output: String,
    inputs: Vec<String>,
    attributes: Vec<(&'static str, Attribute)>,
}

#[derive(Clone)]
enum Attribute {
    Float(f32),
    Int(u64),
    Ints(Vec<u64>),
}

impl Graph {
    fn node(&self, operator: &'static str, output: &str, inputs: &[&str], attributes: &[(&'static str, Attribute)]) {
        let inputs = inputs.iter().map(|&i| i.to_owned()).collect();
        self.nodes.borrow_mut().push(Node {
            operator,
            output: output.to_owned(),
            inputs,
            attributes: attributes.to_vec(),
        });
    }

    /// A node whose value has a name of no use to anybody.
    fn unnamed(&self, operator: &'static str, inputs: &[&str], attributes: &[(&'static str, Attribute)]) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.borrow().len());
        self.node(operator, &output, inputs, attributes);
        output
    }
}

impl Walk for Graph {
    type Value = String;

    fn block(&self, block: &Block, x: &String) -> Result<String> {
        let layer = &block.layer;
        let (weight, bias) = (format!("{}.weight", layer.name), format!("{}.bias", layer.name));
        let mut inputs = vec![x.as_str(), &weight];
        if layer.bias {
            inputs.push(&bias);
        }
        let square = |side: usize| Attribute::Ints(vec![side as u64; 2]);
        let pads = |pad: usize| ("pads", Attribute::Ints(vec![pad as u64; 4]));
        let mut y = match layer.kind {
            Kind::Conv(k) => self.unnamed("Conv", &inputs, &[("kernel_shape", square(k)), pads(k / 2)]),
            Kind::Deconv => {
                let attributes = [("kernel_shape", square(4)), ("strides", square(2)), pads(1)];
                self.unnamed("ConvTranspose", &inputs, &attributes)
            }
        };
        if let Some(norm) = &layer.norm {
            let [a, b, c, d] = ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{norm}.{part}"));
            let epsilon = ("epsilon", Attribute::Float(layer.eps as f32));
            y = self.unnamed("BatchNormalization", &[&y, &a, &b, &c, &d], &[epsilon]);
            y = self.unnamed("Relu", &[&y], &[]);
        }
        if layer.pool {
            y = self.unnamed("MaxPool", &[&y], &[("kernel_shape", square(2)), ("strides", square(2))]);
        }
        Ok(y)
    }

    fn cat(&self, parts: &[&String]) -> Result<String> {
        let parts: Vec<&str> = parts.iter().map(|p| p.as_str()).collect();
        Ok(self.unnamed("Concat", &parts, &[("axis", Attribute::Int(1))]))
    }

    fn sigmoid(&self, x: &String) -> Result<String> {
        Ok(self.unnamed("Sigmoid", &[x], &[]))
    }

    fn subtract(&self, a: &String, b: &String) -> Result<String> {
        Ok(self.unnamed("Sub", &[a, b], &[]))
    }
}

impl Node {
    fn message(&self) -> Message {
        let message = self.inputs.iter().fold(Message::new(), |m, input| m.bytes(1, input.as_bytes()));
        let output = self.output.as_bytes();
        let message = message.bytes(2, output).bytes(3, output).bytes(4, self.operator.as_bytes());
        self.attributes.iter().fold(message, |m, (name, value)| m.message(5, &value.message(name)))
    }
}

impl Attribute {
    fn message(&self, name: &str) -> Message {
        let message = Message::new().bytes(1, name.as_bytes());
        match self {
            Self::Float(value) => message.float(2, *value).integer(20, TYPE_FLOAT),
            Self::Int(value) => message.integer(3, *value).integer(20, TYPE_INT),
            Self::Ints(values) => values.iter().fold(message, |m, v| m.integer(8, *v)).integer(20, TYPE_INTS),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use candle_core::Device;
    use manifests::run::{Branches, Model};

    use super::*;

    #[test]
    fn every_node_takes_what_is_there_and_every_weight_is_taken() {
        for (branches, gradient_decoder) in [(Branches::Shared, true), (Branches::Independent, false)] {
            let model = Model { width: 1.0 / 64.0, branches, gradient_decoder, ..Model::default() };
            let net = Corrn::new(&model, 1, DType::F32, &Device::Cpu).unwrap();
            let graph = Graph { nodes: RefCell::default() };
            net.walk(&"image".to_owned(), &graph).unwrap();
            let weights: BTreeSet<String> = net.params().all().iter().map(|p| p.name.clone()).collect();
            let mut there = weights.clone();
            there.insert("image".into());
            let mut taken = BTreeSet::new();
            for node in graph.nodes.into_inner() {
                for input in node.inputs {
                    assert!(there.contains(&input), "{} takes {input} before it is there", node.output);
                    taken.insert(input);
                }
                assert!(there.insert(node.output.clone()), "{} is given twice", node.output);
            }
            assert!(weights.is_subset(&taken), "{:?} are not taken", weights.difference(&taken));
        }
    }
}
