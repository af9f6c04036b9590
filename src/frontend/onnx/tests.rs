//! The reader against the writer, against files of other programs, and against everything that is wrong.

use std::io::Cursor;

use proptest::prelude::*;

use super::fault::Fault;
use super::model::{Data, Dim, Graph, Model, Tensor, Value, data_type as T};
use super::random::{self, Choices};
use super::reader::{Limits, read, read_within};
use super::writer::{Message, Style, encode, encode_as, floats, ints, model, node, value, weight, zeros};
use crate::diagnostic::Code;

mod payloads;

fn read_bytes(bytes: &[u8]) -> Result<Model, Fault> {
    read(&mut Cursor::new(bytes))
}

/// What is wrong with the bytes: kind, place, words.
fn fault(bytes: &[u8]) -> (Code, u64, String) {
    read_bytes(bytes).expect_err("nothing is wrong").parts()
}

/// A message, written by hand.
fn message(write: impl FnOnce(&mut Message)) -> Vec<u8> {
    Message::write(Style::Raw, write).to_vec()
}

/// The only initializer of a model whose tensor is written by hand.
fn tensor(write: impl Fn(&mut Message)) -> Result<Tensor, Fault> {
    let bytes = message(|out| out.message(7, |out| out.message(5, |out| write(out))));
    Ok(read_bytes(&bytes)?.graph.initializers.remove(0))
}

/// Where something lies in its file is the writer's affair.
fn without_places(mut model: Model) -> Model {
    fn graph(graph: &mut Graph) {
        graph.initializers.iter_mut().for_each(tensor);
        graph.nodes.iter_mut().for_each(node);
    }
    fn node(node: &mut super::model::Node) {
        for attribute in &mut node.attributes {
            match &mut attribute.value {
                Value::Graph(inner) => graph(inner),
                Value::Tensor(inner) => tensor(inner),
                _ => {}
            }
        }
    }
    fn tensor(tensor: &mut Tensor) {
        if let Data::Skipped { offset, .. } = &mut tensor.data {
            *offset = 0;
        }
    }
    graph(&mut model.graph);
    model.functions.iter_mut().for_each(|function| function.nodes.iter_mut().for_each(node));
    model
}

/// A model with something of everything.
fn everything() -> Model {
    let body = Graph::default().node(node("Identity", &["x"], &["y"])).output("y");
    let external = Data::External { location: "w.bin".into(), offset: 4096, length: Some(12) };
    let graph = Graph { name: "main".into(), ..Default::default() }
        .input("image", &[-1, 3, 8, 8])
        .output("y")
        .initializer(weight("absent", &[4, 3, 3, 3]))
        .initializer(zeros("skipped", &[64, 64]))
        .initializer(floats("small", &[2], &[1.5, -2.0]))
        .initializer(ints("shape", &[4], &[1, -1, 1 << 40, 0]))
        .initializer(Tensor { data: external, ..weight("external", &[3]) })
        .node(
            node("Conv", &["image", "absent", ""], &["c"])
                .named("/conv")
                .with("kernel_shape", vec![3, 3])
                .with("alpha", 0.5)
                .with("auto_pad", "NOTSET")
                .with("scales", vec![1.0, 2.0])
                .with("value", floats("", &[], &[3.0])),
        )
        .node(node("If", &["c"], &["y"]).with("then_branch", body).of_domain("com.example"));
    Model { opsets: vec![(String::new(), 17), ("com.example".into(), 1)], ..model(17, graph) }
}

#[test]
fn what_is_written_is_read() {
    for style in [Style::Raw, Style::Packed, Style::Unpacked] {
        let read = read(&mut encode_as(&everything(), style)).unwrap();
        assert!(matches!(read.graph.initializers[1].data, Data::Skipped { offset: 200.., .. }));
        assert_eq!(without_places(read), everything(), "{style:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn random_models_are_read_as_they_are_written(choices in prop::collection::vec(any::<u8>(), 0..1500)) {
        let model = random::model(&mut Choices(&choices));
        for style in [Style::Raw, Style::Packed, Style::Unpacked] {
            let file = encode_as(&model, style);
            let read = read_bytes(&file.to_vec()).map_err(|fault| TestCaseError::fail(format!("{fault:?}")))?;
            prop_assert_eq!(without_places(read), model.clone());
        }
    }

    #[test]
    fn random_bytes_are_harmless(choices in prop::collection::vec(any::<u8>(), 0..1500)) {
        drop(read_bytes(&choices));
        drop(read_bytes(&random::file(&mut Choices(&choices))));
    }
}

/// Cut off anywhere, a file is an error that says so, or the model without what came last.
#[test]
fn a_file_may_end_anywhere() {
    let bytes = encode(&everything()).to_vec();
    let mut smaller = 0;
    for end in 0..bytes.len() {
        match read_bytes(&bytes[..end]) {
            Ok(model) => {
                smaller += 1;
                assert_eq!(without_places(model).graph, everything().graph);
            }
            Err(fault) => {
                let (code, at, _) = fault.parts();
                assert!(at <= end as u64);
                // Between the records before the graph nothing seems to be missing but the graph.
                assert!(
                    code == Code::Truncated || [0, 2, 8].contains(&end) && code == Code::Malformed,
                    "{end}"
                );
            }
        }
    }
    assert_eq!(smaller, 2, "without operator sets, or without the second of them");
}

/// Every byte of a file may be any other.
#[test]
fn each_byte_may_be_wrong() {
    let bytes = encode(&everything()).to_vec();
    // The payload of zeros is passed over.
    for at in (0..bytes.len()).filter(|at| bytes[at.saturating_sub(8)..=*at].iter().any(|byte| *byte != 0)) {
        for other in [0, 1, 0x7f, 0x80, 0xff].into_iter().chain((0..8).map(|bit| bytes[at] ^ 1 << bit)) {
            let mut bytes = bytes.clone();
            bytes[at] = other;
            drop(read_bytes(&bytes));
        }
    }
}

/// Files of other people, where the folder is there.
#[test]
fn the_corpus_is_read() {
    let Some(corpus) = std::env::var_os("CSP_PROFILE_CORPUS") else {
        println!("skipped: CSP_PROFILE_CORPUS is not set");
        return;
    };
    for folder in ["onnx", "onnx-bn"] {
        let folder = std::path::Path::new(&corpus).join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let model = read(&mut std::fs::File::open(&path).unwrap());
            let model = model.unwrap_or_else(|fault| panic!("{}: {fault:?}", path.display()));
            assert!(!model.graph.nodes.is_empty() && !model.opsets.is_empty());
            assert!(!model.graph.inputs.is_empty() && !model.graph.outputs.is_empty());
            assert_eq!(read(&mut encode(&model)).unwrap(), model, "{}", path.display());
        }
    }
}

/// VGG-16 with its weights: 528 MiB, of which next to nothing is read.
#[test]
fn weights_are_passed_over() {
    let widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
    let mut graph = Graph::default().input("image", &[1, 3, 224, 224]).output("c13");
    for (index, pair) in widths.windows(2).enumerate() {
        let (weight, bias) = (format!("w{index}"), format!("b{index}"));
        graph = graph
            .initializer(zeros(&weight, &[pair[1], pair[0], 3, 3]))
            .initializer(zeros(&bias, &[pair[1]]))
            .node(node("Conv", &["image", &weight, &bias], &["y"]).with("kernel_shape", vec![3, 3]));
    }
    for (index, dims) in [[4096, 25088], [4096, 4096], [1000, 4096]].iter().enumerate() {
        graph = graph.initializer(zeros(&format!("fc{index}"), dims));
    }
    let mut file = encode(&model(17, graph));
    assert!(file.len() > 550_000_000);
    let read = read(&mut file).unwrap();
    assert_eq!(read.graph.nodes.len(), 13);
    let skipped = read.graph.initializers.iter().filter(|tensor| matches!(tensor.data, Data::Skipped { .. }));
    // Biases of 64 to 256 floats are small enough to be kept.
    assert_eq!(skipped.count(), 13 + 6 + 3);
    // A buffer for each, and what is small.
    assert!(file.read < 29 * (8 << 10), "{} bytes", file.read);
    assert!(file.seeks < 80, "{} seeks", file.seeks);
}

/// From a disk it is the same as from memory.
#[test]
fn a_file_with_holes_is_read() {
    let graph = Graph::default().initializer(zeros("w", &[1000, 1000])).node(node("Relu", &["x"], &["y"]));
    let mut file = encode(&model(17, graph.clone().initializer(zeros("v", &[3000]))));
    let mut stored = tempfile::tempfile().unwrap();
    file.write_sparse(&mut stored).unwrap();
    assert_eq!(stored.metadata().unwrap().len(), file.len());
    assert_eq!(read(&mut stored).unwrap(), read(&mut file).unwrap());
}

/// Texts for people and traces may be larger than the graph.
#[test]
fn metadata_is_passed_over() {
    let long = 100_000_000;
    let mut file = Message::write(Style::Raw, |out| {
        out.zeros(6, long);
        out.message(14, |out| out.zeros(2, long));
        out.message(20, |out| out.zeros(1, long));
        out.message(7, |out| {
            out.zeros(10, long);
            out.message(1, |out| {
                out.text(4, "Relu");
                out.zeros(6, long);
                out.message(9, |out| out.zeros(2, long));
                out.message(10, |out| out.zeros(1, long));
                out.message(5, |out| {
                    out.text(1, "alpha");
                    out.float(2, 0.5);
                    out.zeros(13, long);
                });
                // A text that is no setting: a compiled program.
                out.message(5, |out| {
                    out.text(1, "context");
                    out.zeros(4, long);
                    out.int(20, 3);
                });
            });
            out.message(5, |out| {
                out.zeros(12, long);
                out.message(16, |out| out.zeros(2, long));
            });
            out.message(11, |out| {
                out.text(1, "x");
                out.zeros(3, long);
            });
            out.message(14, |out| out.zeros(1, long));
            out.message(16, |out| out.zeros(1, long));
        });
    });
    let model = read(&mut file).unwrap();
    assert_eq!(model.graph.nodes[0].op_type, "Relu");
    assert_eq!(model.graph.nodes[0].attributes[0].value, Value::Float(0.5));
    assert_eq!(model.graph.nodes[0].attributes[1].value, Value::Other(3));
    assert_eq!(model.graph.inputs[0].name, "x");
    assert!(file.read < 20 * (8 << 10), "{} bytes", file.read);
}

/// As every reader of protocol buffers does it.
#[test]
fn what_stands_twice_is_merged_or_the_last_one_counts() {
    let bytes = message(|out| {
        out.int(1, 3);
        out.message(7, |out| {
            out.text(2, "first");
            out.message(1, |out| {
                out.text(4, "If");
                out.message(5, |out| {
                    out.text(1, "then_branch");
                    out.message(6, |out| out.message(1, |out| out.text(4, "Abs")));
                    out.message(6, |out| out.message(1, |out| out.text(4, "Exp")));
                    out.int(20, 1);
                    out.int(20, 5);
                });
                out.message(5, |out| {
                    out.text(1, "value");
                    out.message(5, |out| out.ints(1, &[2]));
                    out.message(5, |out| {
                        out.int(2, 1);
                        out.bytes(9, &[0; 8]);
                    });
                    out.int(20, 4);
                });
            });
            out.message(11, |out| {
                out.text(1, "x");
                out.message(2, |out| out.message(1, |out| out.int(1, 1)));
                out.message(2, |out| {
                    out.message(1, |out| {
                        out.message(2, |out| {
                            out.message(1, |out| {
                                out.int(1, 5);
                                out.text(2, "batch");
                            });
                        });
                    });
                });
            });
        });
        out.int(1, 9);
        out.message(7, |out| {
            out.text(2, "second");
            out.message(1, |out| out.text(4, "Relu"));
        });
    });
    let model = read_bytes(&bytes).unwrap();
    assert_eq!((model.ir_version, &*model.graph.name), (9, "second"));
    let nodes = &model.graph.nodes;
    assert_eq!((&*nodes[0].op_type, &*nodes[1].op_type), ("If", "Relu"));
    let Value::Graph(body) = &nodes[0].attributes[0].value else { panic!("no graph") };
    assert_eq!(body.nodes.iter().map(|node| &*node.op_type).collect::<Vec<_>>(), ["Abs", "Exp"]);
    let Value::Tensor(tensor) = &nodes[0].attributes[1].value else { panic!("no tensor") };
    assert_eq!(
        (tensor.dims.as_slice(), tensor.data_type, &tensor.data),
        (&[2][..], 1, &Data::Here(vec![0; 8]))
    );
    assert_eq!(model.graph.inputs[0].dims, Some(vec![Dim::Symbol("batch".into())]));
    assert_eq!(model.graph.inputs[0].data_type, 1);
}

#[test]
fn a_value_that_is_no_tensor_says_so() {
    let other = |fields: &[u32]| {
        let bytes = message(|out| {
            out.message(7, |out| {
                out.message(11, |out| {
                    out.message(2, |out| {
                        for field in fields {
                            out.message(*field, |out| out.int(1, 7));
                        }
                    });
                });
            });
        });
        let input = read_bytes(&bytes).unwrap().graph.inputs.remove(0);
        (input.not_a_tensor, input.data_type)
    };
    assert_eq!(other(&[1]), (None, 7));
    for (field, name) in [(4, "sequence"), (5, "map"), (7, "opaque"), (8, "sparse_tensor"), (9, "optional")] {
        assert_eq!(other(&[field]), (Some(name), 0));
        assert_eq!(other(&[1, field]), (Some(name), 0));
        assert_eq!(other(&[field, 1]), (None, 7));
    }
    assert_eq!(other(&[]), (None, 0));
    let unranked =
        read(&mut encode(&model(17, Graph::default().output("y")))).unwrap().graph.outputs.remove(0);
    assert_eq!((unranked.data_type, unranked.dims), (1, None));
    assert_eq!(value("y", 1, &[-1]).dims, Some(vec![Dim::Unknown]));
}

/// A node with one attribute that is written by hand.
fn attribute(write: impl FnOnce(&mut Message)) -> Result<Value, Fault> {
    let bytes = message(|out| {
        out.message(7, |out| {
            out.message(1, |out| {
                out.text(3, "/layer1/conv");
                out.text(4, "Conv");
                out.message(5, |out| {
                    out.text(1, "pads");
                    write(out);
                });
            });
        });
    });
    Ok(read_bytes(&bytes)?.graph.nodes.remove(0).attributes.remove(0).value)
}

#[test]
fn the_type_of_an_attribute_says_what_is_meant() {
    // Zeros and empty lists may be left out.
    assert_eq!(attribute(|out| out.int(20, 2)).unwrap(), Value::Int(0));
    assert_eq!(attribute(|out| out.int(20, 1)).unwrap(), Value::Float(0.0));
    assert_eq!(attribute(|out| out.int(20, 3)).unwrap(), Value::String(Vec::new()));
    assert_eq!(attribute(|out| out.int(20, 7)).unwrap(), Value::Ints(Vec::new()));
    assert_eq!(attribute(|out| out.int(20, 99)).unwrap(), Value::Other(99));
    // The first version of the format had no types.
    assert_eq!(attribute(|out| out.ints(8, &[1, 2])).unwrap(), Value::Ints(vec![1, 2]));
    assert_eq!(attribute(|out| out.float(2, 2.5)).unwrap(), Value::Float(2.5));
    let mixed = attribute(|out| {
        out.int(3, 7);
        out.float(2, 1.0);
        out.int(20, 2);
    });
    assert_eq!(mixed.unwrap(), Value::Int(7));
    let caller = attribute(|out| {
        out.int(20, 2);
        out.text(21, "stride");
    });
    assert_eq!(caller.unwrap(), Value::Caller("stride".into()));
    let sparse = attribute(|out| {
        out.message(22, |out| {
            out.message(1, |out| {
                out.int(2, 1);
                out.ints(1, &[1]);
                out.bytes(9, &[0; 4]);
            });
            out.ints(3, &[100, 100]);
        });
        out.int(20, 11);
    });
    let tensor = Tensor { dims: vec![100, 100], data_type: 1, ..Tensor::default() };
    assert_eq!(sparse.unwrap(), Value::Tensor(Box::new(tensor)));
    for (write, words) in [
        ((|out| out.text(13, "doc")) as fn(&mut Message), "an attribute of no type"),
        (|out| out.int(20, 4), "an attribute without its tensor"),
        (|out| out.int(20, 5), "an attribute without its graph"),
        (
            |out| {
                out.int(3, 1);
                out.int(20, 1);
            },
            "of type 1 holds a value of another type",
        ),
    ] {
        let (code, _, found) = attribute(write).unwrap_err().parts();
        assert!(code == Code::Malformed && found.contains(words), "{found}");
        assert!(found.ends_with("in attribute `pads` of node 0 `/layer1/conv` of the graph"), "{found}");
    }
}

#[test]
fn a_sparse_initializer_is_its_shape() {
    let bytes = message(|out| {
        out.message(7, |out| {
            out.message(15, |out| {
                out.message(1, |out| {
                    out.ints(1, &[3]);
                    out.int(2, 1);
                    out.bytes(9, &[0; 12]);
                    out.text(8, "sparse");
                });
                out.message(2, |out| out.ints(1, &[3]));
                out.ints(3, &[64, 64]);
            });
        });
    });
    let expected = Tensor { name: "sparse".into(), dims: vec![64, 64], data_type: 1, data: Data::Absent };
    assert_eq!(read_bytes(&bytes).unwrap().graph.initializers, [expected]);
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let in_node = |bytes: &[u8]| fault(&message(|out| out.message(7, |out| out.bytes(1, bytes))));
    let cases: &[(&[u8], Code, u64, &str)] = &[
        (&[0x00], Code::Malformed, 4, "no field has the number 0, in node 0 of the graph"),
        (&[0x0b], Code::Malformed, 4, "field 1 is a group"),
        (&[0x0e], Code::Malformed, 4, "field 1 is of wire type 6"),
        (&[0x08, 1], Code::Malformed, 4, "field 1 is a varint, not bytes with a length"),
        (&[0xff; 11], Code::Malformed, 4, "a varint of more than 10 bytes"),
        (&[0x80, 0x80], Code::Malformed, 4, "a varint goes on, and 0 are left"),
        (&[0x0a, 5, b'x'], Code::Malformed, 4, "field 1 has 5 bytes, and 1 are left of what it is part of"),
        (&[0x5d, 1, 2], Code::Malformed, 5, "a number has 4 bytes, and 2 are left"),
        (&[0x0a, 2, b'x', 0xff], Code::Malformed, 7, "is not UTF-8"),
        (&[0x1a, 1, b'n'], Code::Malformed, 2, "a node names no op, in node 0 `n` of the graph"),
        (&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Code::Malformed, 4, "no field has the number 8589934591"),
    ];
    for (bytes, code, at, words) in cases {
        let found = in_node(bytes);
        assert!(found.0 == *code && found.1 == *at && found.2.contains(words), "{found:?} for {words}");
    }
    assert!(fault(b"").2.contains("the file has no graph"));
    let (code, _, words) = fault(&message(|out| out.int(7, 3)));
    assert!(code == Code::Malformed && words.contains("field 7 is a varint"), "{words}");
    let (_, _, words) = fault(&message(|out| {
        out.message(25, |out| {
            out.text(1, "Custom");
            out.message(11, |out| out.int(1, 1));
        });
    }));
    assert!(words.ends_with("in attribute of function 0 `Custom`"), "{words}");
}

#[test]
fn depth_length_and_size_have_limits() {
    fn nested(depth: usize) -> Graph {
        let graph = Graph::default();
        if depth == 0 {
            graph
        } else {
            graph.node(node("If", &[], &[]).with("then_branch", nested(depth - 1)))
        }
    }
    assert!(read(&mut encode(&model(17, nested(63)))).is_ok());
    let (code, _, words) = read(&mut encode(&model(17, nested(64)))).unwrap_err().parts();
    assert!(code == Code::TooLarge && words.starts_with("more than 64 graphs"), "{words}");

    let long = "n".repeat(70_000);
    let (code, _, words) = fault(&encode(&model(17, Graph::default().input(&long, &[1]))).to_vec());
    assert!(code == Code::TooLarge && words.contains("a name of 70000 bytes"), "{words}");

    let relu = || node("Relu", &["x"], &["y"]);
    let graph = Graph::default().node(relu()).node(relu()).initializer(zeros("w", &[1 << 40]));
    let limited =
        |limits| read_within(&mut encode(&model(17, graph.clone())), limits).map_err(|fault| fault.parts());
    assert!(limited(Limits { bytes: 100, nodes: 2, memory: 1 << 20 }).is_ok());
    let (code, _, words) = limited(Limits { bytes: 40, nodes: 2, memory: 1 << 20 }).unwrap_err();
    assert!(code == Code::FileTooLarge && words.contains("larger than 64 MiB"), "{words}");
    let (code, _, words) = limited(Limits { bytes: 100, nodes: 1, memory: 1 << 20 }).unwrap_err();
    assert!(code == Code::TooLarge && words.contains("more than 2,000,000 nodes"), "{words}");
}

/// A file of which less is there than it had when it was opened.
#[test]
fn a_file_may_shrink_while_it_is_read() {
    struct Shrinking(Cursor<Vec<u8>>, u64);
    impl std::io::Read for Shrinking {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl std::io::Seek for Shrinking {
        fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
            if to == std::io::SeekFrom::End(0) { Ok(self.1) } else { self.0.seek(to) }
        }
    }
    let bytes = encode(&everything()).to_vec();
    let length = bytes.len() as u64;
    for end in [0, 1, 20, 100, 300] {
        let (code, _, words) =
            read(&mut Shrinking(Cursor::new(bytes[..end].to_vec()), length)).unwrap_err().parts();
        assert!(code == Code::Truncated, "{words}");
    }
}
