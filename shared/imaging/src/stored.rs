use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// Bytes that can be read anywhere.
pub trait Bytes: Read + Seek + Send {}

impl<T: Read + Seek + Send> Bytes for T {}

/// Where an object lies. A path is one; whoever keeps objects otherwise, sealed for instance, says how they are opened.
pub trait Stored {
    /// The object's bytes, from their start.
    ///
    /// # Errors
    /// When they cannot be read.
    fn open(&self) -> io::Result<Box<dyn Bytes>>;
}

impl Stored for Path {
    fn open(&self) -> io::Result<Box<dyn Bytes>> {
        Ok(Box::new(File::open(self)?))
    }
}

impl Stored for PathBuf {
    fn open(&self) -> io::Result<Box<dyn Bytes>> {
        self.as_path().open()
    }
}

impl<T: Stored + ?Sized> Stored for &T {
    fn open(&self) -> io::Result<Box<dyn Bytes>> {
        (**self).open()
    }
}
