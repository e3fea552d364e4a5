//! Whose bucket it is, where it is, and what opens it: by the customs of those who have buckets.
//!
//! A file in AWS's own form (`[default]`, `aws_access_key_id = …`), and the variables `AWS_…` for
//! what it does not say. Secrets are never on a command line, and nobody prints them.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use net::{Clear, HttpError, HttpHost};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::path::Path;
use object_store::{ClientOptions, RetryConfig};
use tokio::runtime::Builder;

use super::line::{Heard, Line};
use super::{Bucket, Shared, THREADS};
use crate::complaint::Complaint;

/// What the address of a bucket begins with.
pub(in crate::backup) const SCHEME: &str = "s3://";
/// Octets of a file of settings.
const FILE_OCTETS_MAX: u64 = 64 << 10;
/// The region that stores name which have none.
const ANY_REGION: &str = "us-east-1";
/// Octets of a name in a bucket: S3's limit is 1,024, and ours come behind.
const PREFIX_OCTETS_MAX: usize = 800;

/// A bucket, and the part of it that backups have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backup) struct Address {
    bucket: String,
    /// Empty for all of it.
    prefix: String,
}

impl Address {
    /// Reads `s3://BUCKET/PREFIX`.
    pub(in crate::backup) fn parse(text: &str) -> Result<Self, Complaint> {
        let wrong = |why: &str| {
            let complaint = Complaint::usage(format!("{text} is no part of a bucket"));
            Err(complaint.because(why).next("s3://BUCKET/PREFIX"))
        };
        let rest = text.strip_prefix(SCHEME).unwrap_or_default();
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !bucket.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            || !(3..=255).contains(&bucket.len())
            || !bucket.chars().all(is_plain)
        {
            return wrong("a bucket's name has 3 letters or more: a-z, 0-9, -, _ and .");
        }
        let is_part = |part: &str| {
            let is_allowed = |letter: char| is_plain(letter) || "=+@,~".contains(letter);
            !matches!(part, "" | "." | "..") && part.chars().all(is_allowed)
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            return wrong(
                "a prefix is made of a-z, A-Z, 0-9, -_.=+@,~ with single slashes between",
            );
        }
        if prefix.len() > PREFIX_OCTETS_MAX {
            return wrong("the prefix is too long");
        }
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        Ok(Self { bucket, prefix })
    }
}

/// What opens buckets.
#[derive(Clone, Default)]
pub(in crate::backup) struct Settings {
    endpoint: Option<String>,
    region: Option<String>,
    key: Option<Secret>,
    /// A PEM file with the authorities that may vouch for the store.
    authorities: Option<PathBuf>,
}

/// Who asks, and what shows it; `Debug` does not show it.
#[derive(Clone, Default)]
struct Secret {
    id: String,
    secret: String,
    /// Of keys that are good for some hours.
    token: Option<String>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// What a file says, and the environment where it says nothing.
    ///
    /// # Errors
    /// If the file cannot be read, others can read its secret, or half of a key is there.
    pub(in crate::backup) fn read(file: Option<&FilePath>) -> Result<Self, Complaint> {
        let around = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let outside = Self::of(&around, &VARIABLES)?;
        let Some(file) = file else {
            return Ok(outside);
        };
        let inside = Self::of_file(file)?;
        Ok(Self {
            endpoint: inside.endpoint.or(outside.endpoint),
            region: inside.region.or(outside.region),
            // Never half from here and half from there.
            key: inside.key.or(outside.key),
            authorities: inside.authorities.or(outside.authorities),
        })
    }

    fn of_file(path: &FilePath) -> Result<Self, Complaint> {
        let unread = |why: String| {
            Complaint::usage(format!("{} cannot be read", path.display())).because(why)
        };
        let facts = fs::metadata(path).map_err(|error| unread(error.to_string()))?;
        if facts.len() > FILE_OCTETS_MAX {
            return Err(unread("it is too long".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(|error| unread(error.to_string()))?;
        let settings = Self::of(&|name| said(&text, name), &NAMES)?;
        if settings.key.is_some() && facts.mode() & 0o077 != 0 {
            let what = format!("{} has a secret, and others can read it", path.display());
            let next = format!("chmod 600 {}", path.display());
            return Err(Complaint::usage(what).next(next));
        }
        Ok(settings)
    }

    fn of(
        value: &dyn Fn(&str) -> Option<String>,
        [endpoints, regions, ids, secrets, tokens, authorities]: &[&[&str]; 6],
    ) -> Result<Self, Complaint> {
        let first = |names: &[&str]| names.iter().find_map(|name| value(name));
        let half = |there: &[&str], lacks: &[&str]| {
            let (there, lacks) = (there.concat(), lacks.concat());
            Err(Complaint::usage(format!(
                "{there} is there, and {lacks} is not"
            )))
        };
        let key = match (first(ids), first(secrets)) {
            (Some(id), Some(secret)) => Some(Secret {
                id,
                secret,
                token: first(tokens),
            }),
            (None, None) => None,
            (Some(_), None) => return half(ids, secrets),
            (None, Some(_)) => return half(secrets, ids),
        };
        Ok(Self {
            endpoint: first(endpoints),
            region: first(regions),
            key,
            authorities: first(authorities).map(PathBuf::from),
        })
    }

    /// The bucket; nothing is asked yet.
    ///
    /// # Errors
    /// If there is no key, or the endpoint is none that may be spoken to.
    pub(in crate::backup) fn open(
        self,
        address: &Address,
        clear: Clear,
    ) -> Result<Bucket, Complaint> {
        let Address { bucket, prefix } = address;
        let key = self.key.ok_or_else(|| {
            let what = "nothing says who asks the object store";
            Complaint::usage(what)
                .next("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or --s3-config FILE")
        })?;
        // AWS has each bucket under a name of its own, if a certificate for `*` is good for it.
        let is_named = self.endpoint.is_none() && !bucket.contains('.');
        let region = match (&self.endpoint, self.region) {
            (_, Some(region)) => region,
            (Some(_), None) => ANY_REGION.to_owned(),
            (None, None) => {
                let what = "nothing says where the bucket is";
                return Err(Complaint::usage(what)
                    .next("set AWS_REGION for AWS's own, or AWS_ENDPOINT_URL for any other"));
            }
        };
        let endpoint = match self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None if is_named => format!("https://{bucket}.s3.{region}.amazonaws.com"),
            None => format!("https://s3.{region}.amazonaws.com"),
        };
        let host = HttpHost::new(&endpoint, self.authorities.as_deref(), clear);
        let host = host.map_err(|error| {
            let complaint = Complaint::usage(format!("the object store {endpoint}"));
            match error {
                HttpError::Clear => complaint
                    .because(error)
                    .next("https://, or --s3-plain-http"),
                HttpError::Place(_) => complaint
                    .because("it is no URL with https:// or http://")
                    .next("AWS_ENDPOINT_URL=https://s3.example.org"),
                error => complaint.because(error),
            }
        })?;
        let heard = Arc::<Heard>::default();
        let line = Line::new(Arc::new(host), Arc::clone(&heard));
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_endpoint(endpoint)
            .with_virtual_hosted_style_request(is_named)
            .with_access_key_id(key.id)
            .with_secret_access_key(key.secret)
            .with_checksum_algorithm(Checksum::SHA256);
        if let Some(token) = key.token {
            builder = builder.with_token(token);
        }
        Bucket::over(builder, line, heard, prefix)
    }
}

impl Bucket {
    /// A bucket that is reached by a line.
    pub(super) fn over(
        builder: AmazonS3Builder,
        line: Line,
        heard: Arc<Heard>,
        prefix: &str,
    ) -> Result<Self, Complaint> {
        let once = RetryConfig {
            // The line asks again.
            max_retries: 0,
            ..RetryConfig::default()
        };
        let store = builder
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_retry(once)
            .with_http_connector(line)
            // Fewer stores know how to remove many at once.
            .with_disable_bulk_delete(true)
            .build();
        let store = store.map_err(|error| {
            Complaint::usage("the object store's settings").because(super::told(&error))
        })?;
        Self::of(Arc::new(store), heard, prefix)
    }

    /// A bucket of any store.
    pub(super) fn of(
        shelves: Arc<dyn super::Shelves>,
        heard: Arc<Heard>,
        prefix: &str,
    ) -> Result<Self, Complaint> {
        let prefix = match prefix {
            "" => None,
            prefix => Some(Path::parse(prefix).map_err(|error| {
                Complaint::usage(format!("the prefix {prefix}")).because(error)
            })?),
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Complaint::new("starting").because(error))?;
        // What may lie there is as large as a pack, so it is not the folder that lies in memory.
        let spool = std::env::var_os("TMPDIR").filter(|folder| !folder.is_empty());
        Ok(Self(Arc::new(Shared {
            shelves,
            prefix,
            heard,
            runtime: Some(runtime),
            windows: std::sync::Mutex::default(),
            lease: super::Lease::default(),
            spool: spool.map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from),
            look_again: super::lock::LOOK_AGAIN,
        })))
    }
}

/// The environment's names for endpoint, region, key, secret, token and authorities.
const VARIABLES: [&[&str]; 6] = [
    &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    &["AWS_REGION", "AWS_DEFAULT_REGION"],
    &["AWS_ACCESS_KEY_ID"],
    &["AWS_SECRET_ACCESS_KEY"],
    &["AWS_SESSION_TOKEN"],
    &["AWS_CA_BUNDLE"],
];

/// The same in a file.
const NAMES: [&[&str]; 6] = [
    &["endpoint_url"],
    &["region"],
    &["aws_access_key_id"],
    &["aws_secret_access_key"],
    &["aws_session_token"],
    &["ca_bundle"],
];

/// What the section `[default]` of a file says of a name.
fn said(text: &str, name: &str) -> Option<String> {
    let mut is_ours = false;
    let mut value = None;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(section) = trimmed.strip_prefix('[') {
            is_ours = section.trim_end_matches(']').trim() == "default";
        }
        // What is set in belongs to the line above; the rest is for other programs.
        let is_inside = line.starts_with([' ', '\t']) || trimmed.starts_with(['#', ';']);
        if let Some((key, said)) = trimmed.split_once('=').filter(|_| is_ours && !is_inside)
            && key.trim().eq_ignore_ascii_case(name)
        {
            value = Some(said.trim().to_owned());
        }
    }
    value.filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn addresses() {
        for (text, bucket, prefix) in [
            ("s3://mail", "mail", ""),
            ("s3://mail/", "mail", ""),
            ("s3://my.mail-1/a/b_c/", "my.mail-1", "a/b_c"),
            (
                "s3://mail/host=mx.example.org",
                "mail",
                "host=mx.example.org",
            ),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (&*address.bucket, &*address.prefix),
                (bucket, prefix),
                "{text}"
            );
        }
        let long = format!("s3://mail/{}", "x".repeat(900));
        for text in [
            "s3://",
            "s3://ab",
            "s3:///x",
            "s3://-ab/x",
            "s3://a b c",
            "s3://mail/a//b",
            "s3://mail//",
            "s3://mail/..",
            "s3://mail/a/./b",
            "s3://mail/ä",
            "s3://mail/a b",
            "s3://mail/a?b",
            &long,
        ] {
            let wrong = Address::parse(text).err();
            // Slashes at the end are none of it.
            assert_eq!(wrong.is_some(), text != "s3://mail//", "{text}");
        }
    }

    const FILE: &str = "# mine\n[other]\nregion = nowhere\n[default]\naws_access_key_id = ID\n\
        aws_secret_access_key=a=b/c+d\noutput = json\ns3 =\n  endpoint_url = https://inside\n\
        endpoint_url = https://s3.example.org\n; region = no\n[profile x]\nregion = elsewhere\n";

    #[test]
    fn a_file_in_the_form_of_aws() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        fs::write(&path, FILE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let read = Settings::of_file(&path).unwrap();
        assert_eq!(read.endpoint.as_deref(), Some("https://s3.example.org"));
        assert_eq!(read.region, None);
        let key = read.key.clone().unwrap();
        assert_eq!((&*key.id, &*key.secret, key.token), ("ID", "a=b/c+d", None));
        assert!(!format!("{read:?}").contains("a=b"), "{read:?}");
        // Others can read it.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let said = Settings::of_file(&path).unwrap_err().to_string();
        assert!(
            said.contains("chmod 600") && !said.contains("a=b"),
            "{said}"
        );
        // Without a secret they may.
        fs::write(&path, "[default]\nregion = eu-central-1\n").unwrap();
        let read = Settings::of_file(&path).unwrap();
        assert_eq!(read.region.as_deref(), Some("eu-central-1"));
        fs::write(&path, "[default]\naws_access_key_id = ID\n").unwrap();
        let said = Settings::of_file(&path).unwrap_err().to_string();
        assert!(said.contains("aws_secret_access_key is not"), "{said}");
        let said = Settings::of_file(&folder.path().join("none")).unwrap_err();
        assert!(said.to_string().contains("cannot be read"), "{said}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = Some(Secret {
            id: "ID".to_owned(),
            secret: "hidden".to_owned(),
            token: None,
        });
        let here = |endpoint: Option<&str>, region: Option<&str>, key: Option<Secret>| Settings {
            endpoint: endpoint.map(str::to_owned),
            region: region.map(str::to_owned),
            key,
            authorities: None,
        };
        let address = Address::parse("s3://mail/x").unwrap();
        for (settings, clear, expected) in [
            (
                here(Some("http://127.0.0.1:9"), None, None),
                Clear::Here,
                "AWS_SECRET_ACCESS_KEY",
            ),
            (here(None, None, key.clone()), Clear::Here, "AWS_REGION"),
            (
                here(Some("http://s3.example"), None, key.clone()),
                Clear::Here,
                "--s3-plain-http",
            ),
            (
                here(Some("s3.example"), None, key.clone()),
                Clear::Here,
                "AWS_ENDPOINT_URL=",
            ),
        ] {
            let said = settings.open(&address, clear).unwrap_err().to_string();
            assert!(
                said.contains(expected) && !said.contains("hidden"),
                "{said}"
            );
        }
        let clear = here(Some("http://s3.example"), None, key.clone());
        clear.open(&address, Clear::Anywhere).unwrap();
        here(Some("http://127.0.0.1:9/"), None, key)
            .open(&address, Clear::Here)
            .unwrap();
    }
}
