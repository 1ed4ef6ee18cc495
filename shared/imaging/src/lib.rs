//! DICOM to domain and pictures.
