//! Embeddable performance instrumentation.
