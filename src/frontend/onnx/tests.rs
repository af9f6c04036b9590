//! The reader against the writer, against files of other programs, and against everything that is wrong.

use std::io::Cursor;

use super::model::{Data, Model, Node, Tensor, Value, data_type as T};
use super::reader::read;
use super::writer::{self, Style, encode, encode_as, floats, ints, model, node, weight, zeros};

fn read_bytes(bytes: &[u8]) -> Result<Model, super::fault::Fault> {
    read(&mut Cursor::new(bytes))
}

/// A model with something of everything.
fn everything() -> Model {
    let body = super::model::Graph::default().node(node("Identity", &["x"], &["y"])).output("y");
    let external = Data::External { location: "w.bin".into(), offset: 4096, length: Some(12) };
    let graph = super::model::Graph { name: "main".into(), ..Default::default() }
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
        let mut read = read(&mut encode_as(&everything(), style)).unwrap();
        // Where the writer put it.
        if let Data::Skipped { offset, .. } = &mut read.graph.initializers[1].data {
            assert!(std::mem::take(offset) > 0);
        }
        assert_eq!(read, everything(), "{style:?}");
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
            let bytes = std::fs::read(&path).unwrap();
            let model = read_bytes(&bytes).unwrap_or_else(|fault| panic!("{}: {fault:?}", path.display()));
            assert!(!model.graph.nodes.is_empty() && !model.opsets.is_empty());
            assert!(!model.graph.inputs.is_empty() && !model.graph.outputs.is_empty());
            let again = read(&mut encode(&model)).unwrap();
            assert_eq!(again, model, "{}", path.display());
        }
    }
}
