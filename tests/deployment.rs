//! What deploys pushonce to Kubernetes, made by the programs that make it, compared with
//! the API schemas, and its configuration read by the program itself.

mod deployment {
    pub mod compose;
    pub mod debian;
    pub mod helm;
    pub mod kustomize;
    pub mod objects;
}
