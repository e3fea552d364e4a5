//! A small object store, which does what it is told to do wrong.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Names that are listed at once.
const PAGE: usize = 2;

/// What a question is answered instead of being done, as often as it says.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// What the question begins with: `PUT /mail/x/bodies`.
    pub(super) to: &'static str,
    pub(super) times: usize,
    pub(super) answer: Wrong,
}

#[derive(Clone, Debug)]
pub(super) enum Wrong {
    /// A status with S3's code and message.
    Refused(u16, &'static str, &'static str),
    /// These octets and no more; the connection ends.
    Raw(&'static str),
    /// It is done, and the connection ends without an answer.
    Unsaid,
}

#[derive(Default)]
pub(super) struct Stored {
    pub(super) objects: BTreeMap<String, (Vec<u8>, i64)>,
    pub(super) uploads: HashMap<String, BTreeMap<usize, Vec<u8>>>,
    pub(super) faults: Vec<Fault>,
    /// Method and target of each question.
    pub(super) asked: Vec<String>,
    /// It does not look at conditions.
    pub(super) is_simple: bool,
    /// What its clock shows, seconds since 1970.
    pub(super) now: i64,
    number: usize,
}

pub(super) struct Server {
    pub(super) stored: Arc<Mutex<Stored>>,
    pub(super) address: SocketAddr,
}

struct Asked {
    method: String,
    /// Without the bucket.
    key: String,
    query: HashMap<String, String>,
    fields: HashMap<String, String>,
    body: Vec<u8>,
}

/// Status, header fields, body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stored = Arc::<Mutex<Stored>>::default();
        stored.lock().unwrap().now = 1_800_000_000;
        let of = Arc::clone(&stored);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let stored = Arc::clone(&of);
                thread::spawn(move || while answer(&socket, &stored).is_some() {});
            }
        });
        Self { stored, address }
    }
}

/// Answers one question; none where the connection ends.
fn answer(mut socket: &TcpStream, stored: &Mutex<Stored>) -> Option<()> {
    let asked = read(socket)?;
    let line = format!("{} /mail/{}", asked.method, asked.key);
    let mut stored = stored.lock().unwrap();
    let query: Vec<&str> = asked.query.keys().map(String::as_str).collect();
    stored.asked.push(format!("{line} {}", query.join(" ")));
    let faults = stored.faults.iter_mut();
    let mut due = faults.filter(|fault| fault.times > 0 && line.starts_with(fault.to));
    let wrong = due.next().map(|fault| {
        fault.times -= 1;
        fault.answer.clone()
    });
    let now = stored.now;
    let (status, mut fields, body) = match wrong {
        Some(Wrong::Refused(status, code, words)) => refused(status, code, words),
        Some(Wrong::Raw(octets)) => {
            socket.write_all(octets.as_bytes()).ok()?;
            return None;
        }
        wrong => {
            let answer = stored.answer(&asked);
            if wrong.is_some() {
                return None;
            }
            answer
        }
    };
    drop(stored);
    let is_head = asked.method == "HEAD";
    if !is_head || status != 200 {
        fields.push(("Content-Length", body.len().to_string()));
    }
    let date = mail::Timestamp::utc(now).to_rfc5322().to_string();
    fields.push(("Date", date.replace("+0000", "GMT")));
    let mut head = format!("HTTP/1.1 {status} Word\r\n");
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    socket.write_all(head.as_bytes()).ok()?;
    match is_head {
        true => Some(()),
        false => socket.write_all(&body).ok(),
    }
}

fn read(socket: &TcpStream) -> Option<Asked> {
    let mut input = BufReader::new(socket);
    let mut line = String::new();
    input.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut fields = HashMap::new();
    loop {
        let mut field = String::new();
        input.read_line(&mut field).ok()?;
        let Some((name, value)) = field.trim_end().split_once(':') else {
            break;
        };
        fields.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = fields
        .get("content-length")
        .map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    input.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let decoded = |text: &str| text.replace("%2F", "/").replace("%3D", "=");
    let query = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (name.to_owned(), decoded(value))
        });
    let key = decoded(path.strip_prefix("/mail").unwrap());
    let key = key.trim_start_matches('/').to_owned();
    let query = query.collect();
    Some(Asked {
        method,
        key,
        query,
        fields,
        body,
    })
}

fn refused(status: u16, code: &str, words: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{words}</Message></Error>"
    );
    (status, Vec::new(), body.into_bytes())
}

fn tag(octets: &[u8]) -> String {
    let digest = digest(&SHA256, octets);
    format!("\"{}\"", STANDARD.encode(&digest.as_ref()[..12]))
}

fn xml(body: String) -> Answer {
    (200, Vec::new(), body.into_bytes())
}

impl Stored {
    fn answer(&mut self, asked: &Asked) -> Answer {
        if !asked.fields.contains_key("authorization") {
            return refused(403, "AccessDenied", "Who are you?");
        }
        let sum = digest(&SHA256, &asked.body);
        let hex = sum.as_ref().iter().map(|octet| format!("{octet:02x}"));
        if asked.fields["x-amz-content-sha256"] != hex.collect::<String>() {
            return refused(400, "XAmzContentSHA256Mismatch", "Another body.");
        }
        let has = |name: &str| asked.query.contains_key(name);
        match &*asked.method {
            "PUT" if has("uploadId") => self.part(asked),
            "PUT" => self.put(asked),
            "POST" if has("uploads") => {
                self.number += 1;
                let id = format!("upload{}", self.number);
                self.uploads.insert(id.clone(), BTreeMap::new());
                let Asked { key, .. } = asked;
                xml(format!(
                    "<InitiateMultipartUploadResult><Bucket>mail</Bucket><Key>{key}</Key>\
                     <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            "POST" => self.complete(asked),
            "GET" if has("list-type") => self.list(asked),
            "GET" | "HEAD" => self.get(asked),
            "DELETE" => {
                match asked.query.get("uploadId") {
                    Some(id) => drop(self.uploads.remove(id)),
                    None => drop(self.objects.remove(&asked.key)),
                }
                (204, Vec::new(), Vec::new())
            }
            _ => refused(405, "MethodNotAllowed", "No."),
        }
    }

    fn put(&mut self, asked: &Asked) -> Answer {
        let there = self.objects.get(&asked.key).map(|(octets, _)| tag(octets));
        let fields = &asked.fields;
        let is_new = !fields.contains_key("if-none-match") || there.is_none();
        let is_same = fields
            .get("if-match")
            .is_none_or(|meant| Some(meant) == there.as_ref());
        let is_so = self.is_simple || (is_new && is_same);
        if !is_so {
            return refused(412, "PreconditionFailed", "It is not so.");
        }
        let sum = STANDARD.encode(digest(&SHA256, &asked.body));
        if fields.get("x-amz-checksum-sha256") != Some(&sum) {
            return refused(400, "BadDigest", "Another sum.");
        }
        let object = (asked.body.clone(), self.now);
        self.objects.insert(asked.key.clone(), object);
        (200, vec![("ETag", tag(&asked.body))], Vec::new())
    }

    fn part(&mut self, asked: &Asked) -> Answer {
        let number = asked.query["partNumber"].parse().unwrap();
        let Some(upload) = self.uploads.get_mut(&asked.query["uploadId"]) else {
            return refused(404, "NoSuchUpload", "It is not there.");
        };
        upload.insert(number, asked.body.clone());
        (200, vec![("ETag", tag(&asked.body))], Vec::new())
    }

    fn complete(&mut self, asked: &Asked) -> Answer {
        let Some(parts) = self.uploads.remove(&asked.query["uploadId"]) else {
            return refused(404, "NoSuchUpload", "It is not there.");
        };
        let octets: Vec<u8> = parts.into_values().flatten().collect();
        let tag = tag(&octets).replace('"', "&quot;");
        self.objects.insert(asked.key.clone(), (octets, self.now));
        xml(format!(
            "<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"
        ))
    }

    fn get(&mut self, asked: &Asked) -> Answer {
        let Some((octets, modified)) = self.objects.get(&asked.key) else {
            return refused(404, "NoSuchKey", "It is not there.");
        };
        let tag = tag(octets);
        if asked
            .fields
            .get("if-match")
            .is_some_and(|meant| *meant != tag)
        {
            return refused(412, "PreconditionFailed", "It is not so.");
        }
        let modified = mail::Timestamp::utc(*modified).to_rfc5322().to_string();
        let mut fields = vec![
            ("ETag", tag),
            ("Last-Modified", modified.replace("+0000", "GMT")),
        ];
        let len = octets.len();
        let Some(range) = asked.fields.get("range") else {
            if asked.method == "HEAD" {
                fields.push(("Content-Length", len.to_string()));
            }
            return (200, fields, octets.clone());
        };
        let (from, to) = range
            .strip_prefix("bytes=")
            .unwrap()
            .split_once('-')
            .unwrap();
        let number = |text: &str| text.parse::<usize>().ok();
        let (from, to) = match (number(from), number(to)) {
            (None, Some(last)) => (len.saturating_sub(last), len),
            (Some(from), Some(to)) => (from, len.min(to + 1)),
            _ => return refused(400, "InvalidArgument", "No range."),
        };
        if from >= len {
            return refused(416, "InvalidRange", "There is nothing.");
        }
        fields.push(("Content-Range", format!("bytes {from}-{}/{len}", to - 1)));
        (206, fields, octets[from..to].to_vec())
    }

    fn list(&self, asked: &Asked) -> Answer {
        let prefix = &asked.query["prefix"];
        let after = asked.query.get("continuation-token");
        let names = self.objects.iter().filter(|(name, _)| {
            let below = name.strip_prefix(&**prefix);
            below.is_some_and(|below| !below.contains('/')) && Some(*name) > after
        });
        let all: Vec<_> = names.collect();
        let mut body = String::new();
        for (name, (octets, modified)) in all.iter().take(PAGE) {
            let (len, tag) = (octets.len(), tag(octets).replace('"', "&quot;"));
            let modified = mail::Timestamp::utc(*modified).to_rfc3339();
            body.push_str(&format!(
                "<Contents><Key>{name}</Key><LastModified>{modified}</LastModified>\
                 <ETag>{tag}</ETag><Size>{len}</Size></Contents>"
            ));
        }
        if let Some((name, _)) = all.get(PAGE - 1).filter(|_| all.len() > PAGE) {
            let token = format!("<NextContinuationToken>{name}</NextContinuationToken>");
            body.push_str(&token);
        }
        let is_cut = all.len() > PAGE;
        xml(format!(
            "<ListBucketResult><Name>mail</Name><Prefix>{prefix}</Prefix>\
             <IsTruncated>{is_cut}</IsTruncated>{body}</ListBucketResult>"
        ))
    }
}
