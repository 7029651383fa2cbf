//! Output to what speaks S3's protocol: the program, built with the feature `s3`, and a small server on loopback.
#![cfg(feature = "s3")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Output},
    sync::{Arc, Mutex},
};

use support::{Bench, SMALL, done, synth, told, tree};

/// Objects by bucket and key, and the parts of uploads that are not complete.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<u32, Vec<u8>>>,
}

/// Serves until the test ends; gives the endpoint.
fn serve(bucket: &Arc<Mutex<Bucket>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let bucket = Arc::clone(bucket);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let bucket = Arc::clone(&bucket);
            std::thread::spawn(move || answer(stream, &bucket));
        }
    });
    endpoint
}

/// One request a connection. What the protocol has and `synth` does not use is not there.
fn answer(stream: TcpStream, bucket: &Mutex<Bucket>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (method, target) = line.split_once(' ')?;
    let target = target.split(' ').next()?;
    let (mut length, mut wanted) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "range" => {
                let (first, last) = value.strip_prefix("bytes=")?.split_once('-')?;
                wanted = Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?));
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query: BTreeMap<&str, &str> = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    let key = path.trim_start_matches('/').to_owned();
    let mut bucket = bucket.lock().unwrap();
    let (status, reply) = match (method, query.get("uploadId"), query.get("partNumber")) {
        ("PUT", Some(id), Some(part)) => {
            bucket.uploads.get_mut(*id)?.insert(part.parse().ok()?, body);
            ("200 OK", Vec::new())
        }
        ("POST", Some(id), _) => {
            let whole = bucket.uploads.remove(*id)?.into_values().flatten().collect();
            bucket.objects.insert(key, whole);
            ("200 OK", b"<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>".to_vec())
        }
        ("DELETE", Some(id), _) => {
            bucket.uploads.remove(*id);
            ("204 No Content", Vec::new())
        }
        ("POST", ..) => {
            let id = format!("upload{}", bucket.uploads.len() + bucket.objects.len() * 1000);
            bucket.uploads.insert(id.clone(), BTreeMap::new());
            let xml =
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            ("200 OK", xml.into_bytes())
        }
        ("PUT", ..) => {
            bucket.objects.insert(key, body);
            ("200 OK", Vec::new())
        }
        ("GET", ..) if query.contains_key("list-type") => {
            let prefix = format!("{key}/{}", query.get("prefix").unwrap_or(&"").replace("%2F", "/"));
            let listed = bucket.objects.iter().filter(|(name, _)| name.starts_with(&prefix));
            let rows: String = listed
                .map(|(name, bytes)| {
                    let (name, size) = (&name[key.len() + 1..], bytes.len());
                    format!(
                        "<Contents><Key>{name}</Key><Size>{size}</Size><ETag>\"e\"</ETag>\
                         <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                    )
                })
                .collect();
            (
                "200 OK",
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>").into_bytes(),
            )
        }
        ("GET", ..) => match (bucket.objects.get(&key), wanted) {
            (None, _) => ("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            (Some(bytes), None) => ("200 OK", bytes.clone()),
            (Some(bytes), Some((a, b))) => {
                let part = bytes[a..(b + 1).min(bytes.len())].to_vec();
                let head =
                    format!("206 Partial Content\r\nContent-Range: bytes {a}-{}/{}", a + part.len() - 1, bytes.len());
                return reply_with(stream, &head, &part);
            }
        },
        _ => ("501 Not Implemented", Vec::new()),
    };
    reply_with(stream, status, &reply)
}

fn reply_with(mut stream: TcpStream, status: &str, body: &[u8]) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"e\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).ok()
}

fn run(bench: &Bench, endpoint: &str, args: &[&str]) -> Output {
    let mut command: Command = synth();
    command.current_dir(bench.dir.path()).args(args);
    for (name, value) in [
        ("AWS_ENDPOINT", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "nowhere-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ] {
        command.env(name, value);
    }
    command.output().unwrap()
}

#[test]
fn a_bucket_holds_what_a_folder_holds() {
    let (bench, bucket) = (Bench::new(1200, SMALL), Arc::new(Mutex::new(Bucket::default())));
    let endpoint = serve(&bucket);
    done(bench.build("folder", &[]));
    let place = "s3://shelf/some/set";
    done(run(&bench, &endpoint, &["build", "recipe.yaml", "--out", place]));
    // What was lost is made again, and nothing else.
    let lost = "shelf/some/set/samples-000001.jsonl";
    assert!(bucket.lock().unwrap().objects.remove(lost).is_some());
    let said = done(run(&bench, &endpoint, &["build", "recipe.yaml", "--out", place]));
    assert!(said.contains("1000 were there"), "{said}");
    assert!(bucket.lock().unwrap().uploads.is_empty(), "no upload is left open");
    done(run(&bench, &endpoint, &["fetch", place, "--out", "fetched"]));
    assert_eq!(tree(&bench.path("folder")), tree(&bench.path("fetched")));
    let (code, said) = told(&run(&bench, &endpoint, &["fetch", "s3://shelf/other", "--out", "none"]));
    assert_ne!(code, 0);
    assert!(said.contains("s3://shelf/other") && said.contains("no data set here"), "{said}");
}
