//! The smallest HTTP client that can ask a server on this machine.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of the answer to a GET on the loopback address.
///
/// # Errors
///
/// Where there is no answer in time, or one with another status than 200; it says which and why.
pub(super) fn get(port: u16, path: &str, query: &[(&str, &str)]) -> Result<String> {
    let query: Vec<String> = query
        .iter()
        .map(|(key, value)| format!("{key}={}", encode(value)))
        .collect();
    let target = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    };
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("no server on port {port} of 127.0.0.1"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer is neither in chunks nor followed by another.
    write!(
        stream,
        "GET {target} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .with_context(|| format!("no answer to GET {path}"))?;
    body(&String::from_utf8_lossy(&answer)).with_context(|| format!("GET {target}"))
}

fn body(answer: &str) -> Result<String> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of header")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("{status}: {}", body.trim());
    }
    Ok(body.to_owned())
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_another_status_is_an_error_that_quotes_it() {
        assert_eq!(
            body("HTTP/1.0 200 OK\r\na: b\r\n\r\nyes").expect("status 200"),
            "yes"
        );
        let error = body("HTTP/1.0 422 Unprocessable\r\n\r\nbad query\n").expect_err("status 422");
        assert!(error.to_string().contains("422") && error.to_string().contains("bad query"));
        assert!(body("HTTP/1.0 200 OK").is_err());
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(encode("{a=\"b c\"}"), "%7Ba%3D%22b%20c%22%7D");
    }
}
