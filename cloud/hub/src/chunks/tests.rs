use super::*;

const LIMIT: u64 = 10_000;

fn open(directory: &Path) -> ChunkStore {
    ChunkStore::open(directory, LIMIT).unwrap()
}

fn put(store: &ChunkStore, content: &[u8]) -> Result<ChunkId, Error> {
    let mut batch = store.batch();
    let id = batch.add(content)?;
    batch.commit()?;
    Ok(id)
}

async fn sweep(store: &ChunkStore, needed: &[ChunkId]) -> Option<u64> {
    let needed = Ok::<_, ()>(needed.iter().copied().collect());
    store.sweep(std::future::ready(needed)).await.map(Result::unwrap)
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let content = Bytes::from_static(b"values");
    let id = put(&open(dir.path()), &content).unwrap();
    let store = open(dir.path());
    assert!(store.has(&id));
    assert_eq!(store.read(id).await.unwrap(), content);
    assert_eq!(store.0.stored.load(Ordering::Relaxed), 6);
    assert!(matches!(
        store.read(ChunkId::of(b"other")).await,
        Err(Error::Read { .. })
    ));
}

#[tokio::test]
async fn an_uncommitted_batch_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = store.batch();
    let id = batch.add(b"never").unwrap();
    drop(batch);
    assert!(!store.has(&id));
    assert_eq!(store.0.stored.load(Ordering::Relaxed), 0);
    // As a killed hub leaves it.
    fs::write(dir.path().join(UNFINISHED).join("7"), b"half").unwrap();
    let store = open(dir.path());
    assert_eq!(store.0.stored.load(Ordering::Relaxed), 0);
    assert!(
        fs::read_dir(dir.path().join(UNFINISHED))
            .unwrap()
            .next()
            .is_none()
    );
}

#[tokio::test]
async fn the_same_chunk_is_stored_once_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut one, mut other) = (store.batch(), store.batch());
    let id = one.add(b"same").unwrap();
    assert_eq!(other.add(b"same").unwrap(), id);
    one.commit().unwrap();
    other.commit().unwrap();
    put(&store, b"same").unwrap();
    assert_eq!(store.0.stored.load(Ordering::Relaxed), 4);
    assert_eq!(list(dir.path()).unwrap().len(), 1);
}

#[tokio::test]
async fn limits_hold_and_damage_shows() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(put(&store, b""), Err(Error::Size)));
    assert!(matches!(
        put(&store, &vec![0; MAX_CHUNK_BYTES + 1]),
        Err(Error::Size)
    ));
    let id = put(&store, &[1; 9_999]).unwrap();
    assert!(matches!(put(&store, &[2; 2]), Err(Error::Full { limit: LIMIT })));
    put(&store, &[2; 1]).unwrap();
    fs::write(store.path(&id), b"something else").unwrap();
    assert!(matches!(store.read(id).await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_needs_and_waits_for_holders() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let keep = put(&store, b"keep").unwrap();
    let drop_it = put(&store, b"unneeded").unwrap();
    let hold = store.hold().await;
    assert_eq!(sweep(&store, &[keep]).await, None);
    drop(hold);
    assert_eq!(sweep(&store, &[keep]).await, Some(1));
    assert!(store.has(&keep) && !store.has(&drop_it));
    assert_eq!(store.0.stored.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn what_was_read_lately_is_compared_once_and_forgotten_by_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = put(&store, b"values").unwrap();
    assert_eq!(store.read(id).await.unwrap(), b"values"[..]);
    fs::write(store.path(&id), b"other!").unwrap();
    assert_eq!(store.read(id).await.unwrap(), b"values"[..]);
    assert!(matches!(store.read_blocking(&id), Err(Error::Damaged { .. })));
    assert_eq!(sweep(&store, &[id]).await, Some(0));
    assert!(matches!(store.read(id).await, Err(Error::Damaged { .. })));
    // What failed is tried again.
    fs::write(store.path(&id), b"values").unwrap();
    assert_eq!(store.read(id).await.unwrap(), b"values"[..]);
}

#[tokio::test]
async fn only_so_many_chunks_stay_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ids: Vec<ChunkId> = (0..60_u8).map(|byte| put(&store, &[byte]).unwrap()).collect();
    for id in &ids {
        store.read(*id).await.unwrap();
        fs::remove_file(store.path(id)).unwrap();
    }
    let kept = |id: &ChunkId| store.0.lately.place(id).get().is_some();
    assert!(kept(&ids[59]) && kept(&ids[12]));
    assert!(!kept(&ids[11]));
}
