//! The many ways to write the elements of a tensor.

use super::*;

#[test]
fn elements_are_the_same_bytes_whichever_field_holds_them() {
    let cases: &[(i32, &[u8])] = &[
        (T::FLOAT, &[0, 0, 0x80, 0x3f, 1, 2, 3, 4]),
        (T::DOUBLE, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (T::COMPLEX64, &[1, 2, 3, 4, 5, 6, 7, 8]),
        (T::INT64, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 0, 0]),
        (T::UINT64, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (T::UINT32, &[0xff, 0xff, 0xff, 0xff]),
        (T::INT32, &[0xfe, 0xff, 0xff, 0xff, 7, 0, 0, 0]),
        (T::INT16, &[0xfe, 0xff, 7, 0]),
        (T::UINT16, &[0xfe, 0xff]),
        (T::FLOAT16, &[0, 0x3c, 0, 0xbc]),
        (T::BFLOAT16, &[0x80, 0x3f]),
        (T::INT8, &[0xfe, 3]),
        (T::UINT8, &[0xfe, 3]),
        (T::BOOL, &[1, 0]),
        (T::FLOAT8E4M3FN, &[0x38]),
        // Two elements and four a byte.
        (T::INT4, &[0x21, 0xf3]),
        (T::UINT4, &[0x21]),
        (T::UINT2, &[0b1110_0100]),
    ];
    for (data_type, bytes) in cases {
        for style in [Style::Raw, Style::Packed, Style::Unpacked] {
            // Shapes do not matter to where bytes are.
            let tensor =
                Tensor { data_type: *data_type, data: Data::Here(bytes.to_vec()), ..weight("w", &[2]) };
            let graph = Graph::default().initializer(tensor);
            let read = read(&mut encode_as(&model(17, graph.clone()), style)).unwrap();
            assert_eq!(read.graph, graph, "{data_type} {style:?}");
        }
    }
}

/// As `onnx.proto` says: four elements in three bytes, the first one lowest; the last group is filled with zeros.
#[test]
fn six_bits_are_packed() {
    let six = |values: &[i64]| {
        let tensor = tensor(|out| {
            out.int(2, i64::from(T::FLOAT6E2M3));
            out.ints(5, values);
        });
        tensor.unwrap().data
    };
    let [x0, x1, x2, x3] = [0b10_0001, 0b01_1010, 0b11_1111, 0b00_0101];
    let bytes = vec![x0 | (x1 & 3) << 6, x1 >> 2 | (x2 & 15) << 4, x2 >> 4 | x3 << 2];
    let [x0, x1, x2, x3] = [x0, x1, x2, x3].map(i64::from);
    assert_eq!(six(&[x0, x1, x2, x3]), Data::Here(bytes.clone()));
    assert_eq!(six(&[x0]), Data::Here(vec![0b10_0001]));
    assert_eq!(six(&[x0, x1, x2, x3, 1]), Data::Here([&bytes[..], &[1]].concat()));
}

#[test]
fn fields_may_come_in_any_order() {
    let expected = Tensor {
        name: "w".into(),
        dims: vec![2],
        data_type: T::INT32,
        data: Data::Here(vec![1, 0, 0, 0, 2, 0, 0, 0]),
    };
    let found = tensor(|out| {
        out.int(5, 1);
        out.text(8, "w");
        out.ints(5, &[2]);
        out.int(1, 2);
        out.int(2, 6);
    });
    assert_eq!(found.unwrap(), expected);
}

#[test]
fn a_type_that_does_not_fit_the_field_is_not_guessed() {
    let found = tensor(|out| {
        out.int(2, i64::from(T::FLOAT));
        out.ints(5, &[1, 2]);
    });
    assert!(matches!(found.unwrap().data, Data::Skipped { length: 2, field: 5, .. }));
    let found = tensor(|out| {
        out.int(2, 1000);
        out.bytes(9, &[1, 2]);
    });
    assert_eq!(found.unwrap(), Tensor { data_type: 1000, data: Data::Here(vec![1, 2]), ..Tensor::default() });
    let found = tensor(|out| {
        out.int(2, i64::from(T::STRING));
        out.bytes(6, b"ab");
        out.bytes(6, b"");
    });
    assert!(matches!(found.unwrap().data, Data::Records { length: 6, field: 6, .. }));
}

#[test]
fn elements_stand_in_one_field() {
    let found = tensor(|out| {
        out.int(2, 1);
        out.bytes(4, &[1; 4]);
        out.bytes(9, &[2; 4]);
    });
    assert!(found.unwrap_err().parts().2.starts_with("a tensor has elements in field 4 and in field 9"));
    // Of `raw_data` the last one counts; an empty record of another field says nothing.
    for write in [
        (|out| {
            out.bytes(9, &[2; 8]);
            out.bytes(9, &[1; 4]);
        }) as fn(&mut Message),
        |out| {
            out.bytes(4, &[]);
            out.bytes(9, &[1; 4]);
        },
        |out| {
            out.bytes(9, &[1; 4]);
            out.bytes(4, &[]);
        },
    ] {
        let found = tensor(|out| {
            out.int(2, 1);
            write(out);
        });
        assert_eq!(found.unwrap().data, Data::Here(vec![1; 4]));
    }
    let found = tensor(|out| {
        out.int(2, 1);
        out.bytes(4, &[1; 5]);
    });
    assert!(found.unwrap_err().parts().2.starts_with("field 4 has 5 bytes of numbers of 4"));
}

#[test]
fn without_bytes_a_tensor_is_empty_or_was_emptied() {
    let data = |dims: &[i64], write: fn(&mut Message)| {
        let found = tensor(|out| {
            out.int(2, 1);
            out.ints(1, dims);
            write(out);
        });
        found.unwrap().data
    };
    assert_eq!(data(&[3], |_| {}), Data::Absent);
    assert_eq!(data(&[3], |out| out.bytes(9, &[])), Data::Absent);
    assert_eq!(data(&[0], |_| {}), Data::Here(Vec::new()));
    assert_eq!(data(&[0], |out| out.bytes(9, &[])), Data::Here(Vec::new()));
}

#[test]
fn external_data_is_what_the_location_flag_says() {
    let entry = |out: &mut Message, key: &str, value: &str| {
        out.message(13, |out| {
            out.text(1, key);
            out.text(2, value);
        });
    };
    let found = tensor(|out| {
        entry(out, "location", "../w.bin");
        entry(out, "offset", "18446744073709551615");
        entry(out, "checksum", "abc");
        out.int(14, 1);
    });
    let expected = Data::External { location: "../w.bin".into(), offset: u64::MAX, length: None };
    assert_eq!(found.unwrap().data, expected);
    let found = tensor(|out| {
        entry(out, "location", "w.bin");
        out.bytes(9, &[1; 4]);
    });
    assert_eq!(found.unwrap().data, Data::Here(vec![1; 4]));
    let found = tensor(|out| entry(out, "length", "-1"));
    assert!(found.unwrap_err().parts().2.starts_with("the length of external data is `-1`"));
}

/// Small ones are kept, integers of moderate size too, until there are too many; all others stay in the file.
#[test]
fn what_is_kept_is_bounded() {
    let of = |data_type, length: u64| {
        let data = Data::Skipped { offset: 0, length, field: 9 };
        Tensor { data_type, data, ..weight("w", &[1]) }
    };
    let here = |tensors: Vec<Tensor>| {
        let graph = Graph { initializers: tensors, ..Graph::default() };
        let read = read(&mut encode(&model(17, graph))).unwrap();
        let here = |tensor: &Tensor| matches!(tensor.data, Data::Here(_));
        read.graph.initializers.iter().map(here).collect::<Vec<_>>()
    };
    let found = here(vec![of(T::FLOAT, 1024), of(T::FLOAT, 1025), of(T::INT8, 1025), of(T::STRING, 8)]);
    assert_eq!(found, [true, false, false, false]);
    for data_type in [T::INT64, T::INT32, T::BOOL, T::INT16, T::UINT64] {
        assert_eq!(here(vec![of(data_type, 512 << 10), of(data_type, (512 << 10) + 1)]), [true, false]);
    }
    let found = here((0..10).map(|_| of(T::INT64, 512 << 10)).chain([of(T::INT64, 8)]).collect());
    assert_eq!(found.iter().filter(|here| **here).count(), 9);
    assert!(found[10], "small ones are kept all the same");
}
