use barefoot_federation::layout::{CHUNK_VALUES, Layout, LayoutError, MAX_ELEMENTS, TensorSpec};
use proptest::prelude::*;

fn spec(name: &str, shape: &[u64]) -> TensorSpec {
    TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
    }
}

#[test]
fn a_head_is_one_short_chunk() {
    let layout = Layout::new(vec![spec("weight", &[2, 1024]), spec("bias", &[2])]).unwrap();
    assert_eq!(
        (layout.elements(), layout.chunks(), layout.chunk_values(0)),
        (2050, 1, 2050)
    );
    assert_eq!(layout.chunk_values(1), 0);
    assert_eq!(layout.specs()[1].name, "bias");
}

#[test]
fn a_scalar_is_one_value() {
    assert_eq!(Layout::new(vec![spec("temperature", &[])]).unwrap().elements(), 1);
}

#[test]
fn what_is_no_layout_is_refused() {
    assert_eq!(Layout::new(vec![]), Err(LayoutError::Tensors { count: 0 }));
    let crowd = (0..1025).map(|i| spec(&format!("t{i}"), &[1])).collect();
    assert_eq!(Layout::new(crowd), Err(LayoutError::Tensors { count: 1025 }));
    for name in ["", "a b", "a/b", "ä", "a\n", &"a".repeat(129)] {
        assert_eq!(
            Layout::new(vec![spec(name, &[1])]),
            Err(LayoutError::Name { index: 0 })
        );
    }
    assert_eq!(
        Layout::new(vec![spec("a", &[1]), spec("a", &[2])]),
        Err(LayoutError::DuplicateName { index: 1 })
    );
    for shape in [&[0][..], &[2, 0], &[u64::MAX, 2], &[MAX_ELEMENTS + 1], &[1; 17]] {
        assert_eq!(
            Layout::new(vec![spec("a", &[1]), spec("b", shape)]),
            Err(LayoutError::Shape { index: 1 })
        );
    }
    assert!(Layout::new(vec![spec("a", &[MAX_ELEMENTS])]).is_ok());
    assert!(Layout::new(vec![spec("a", &[MAX_ELEMENTS]), spec("b", &[1])]).is_err());
}

proptest! {
    #[test]
    fn chunks_cover_every_value_once(elements in 1_u64..=MAX_ELEMENTS) {
        let layout = Layout::new(vec![spec("a", &[elements])]).unwrap();
        let lengths: Vec<usize> = (0..layout.chunks()).map(|chunk| layout.chunk_values(chunk)).collect();
        prop_assert_eq!(lengths.iter().sum::<usize>(), layout.elements());
        let (last, full) = lengths.split_last().unwrap();
        prop_assert!(full.iter().all(|length| *length == CHUNK_VALUES) && (1..=CHUNK_VALUES).contains(last));
    }

    #[test]
    fn no_list_of_tensors_makes_it_panic(
        specs in prop::collection::vec((".{0,5}", prop::collection::vec(any::<u64>(), 0..5)), 0..6)
    ) {
        let specs = specs.iter().map(|(name, shape)| spec(name, shape)).collect();
        let _checked = Layout::new(specs);
    }
}
