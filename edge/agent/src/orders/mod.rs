//! What the clinic ordered: an order, and the form a person fills in. Shared by the clinic's page and the worklist.

mod form;
mod order;

#[cfg(test)]
pub(crate) use form::tests::filled_in;
pub(crate) use form::{FieldError, OrderForm, Problem};
pub(crate) use order::{Code, Order, OrderState, Patient, Wish};
