//! Messages to begin with: short, each with something that readers must think about.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// Octets of the longest sample of others that is mutated; longer ones cost much and say little.
const SAMPLE_OCTETS_MAX: u64 = 3000;

/// Other people's samples, where they are.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let root = env::var_os("CARAMEL_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let mut paths = Vec::new();
    for folder in ["mail-parser/eml", "python-email", "ruby-mail-fixtures"] {
        files(&root.join(folder), &mut paths);
    }
    // In the order of their names, so that a number means the same message everywhere.
    paths.sort();
    paths
        .iter()
        .filter_map(|path| fs::read(path).ok())
        .collect()
}

fn files(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let text = path
            .extension()
            .is_some_and(|end| end == "json" || end == "md");
        if path.is_dir() {
            files(&path, paths);
        } else if !text
            && entry
                .metadata()
                .is_ok_and(|file| file.len() <= SAMPLE_OCTETS_MAX)
        {
            paths.push(path);
        }
    }
}

/// Our own.
pub(crate) const OWN: &[&[u8]] = &[
    b"From: a@x\r\nTo: b@y\r\nSubject: s\r\nDate: Mon, 23 Nov 2026 20:15:00 +0000\r\n\r\nhi\r\n",
    b"Subject: =?utf-8?Q?Ren=C3=A9?= =?utf-8?B?4oKs?= =?iso-8859-1*de?q?_=E9?= x\r\n folde\
      d\r\n\r\n",
    b"From: \"A. \\\"B\\\" C\" (c (d)) <@r1,@r2:a.b@[192.0.2.1]>, g: x@y, <z>;, \"q p\"@h\r\n\
      Cc: =?utf-8?q?J=C3=B6?= <j@xn--bcher-kva.example>, j\xc3\xb6@b\xc3\xbccher.example\r\n\r\n",
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b \t\r\n\
      Content-Type: text/html\r\n\r\n<p>two&amp;</p><!-- x --><script>y</script>\r\n--b--\r\nepi",
    b"Content-Type: multipart/alternative; boundary=\"a b\"\r\n\r\n--a b\r\n\
      Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes\r\n\r\n> > q \r\n> r\r\n \
      s \r\n-- \r\nt\r\n--a b\r\nContent-Type: text/html; charset=utf-16le\r\n\
      Content-Transfer-Encoding: base64\r\n\r\nPABwAD4A\r\n--a b--",
    b"Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: one\r\n\r\nx\r\n\
      --d\r\nContent-Type: message/rfc822\r\n\r\nSubject: two\r\nContent-Type: multipart/mixed; \
      boundary=i\r\n\r\n--i\r\n\r\ny\r\n--d--\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc =\t\r\nd==e=zz=E2=82=AC \r\n",
    b"Content-Type: a/b; name=\"x\"\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8=\r\n\
      d29y*bGQ",
    b"Content-Type: a/b; n*0*=utf-8''%e2%82; n*1*=%ac; n*2=\"c\\\"d\"; n=e; m=f g; k=l p=q\r\n\
      Content-Disposition: attachment; filename*=iso-8859-1'en'caf%E9.txt; filename=\"=?utf-8?B?w\
      6k=?=\"\r\n\r\n",
    b"Content-Type: text/plain; charset=utf-7\r\n\r\nHi +Jjo-, 1 +- 1 +2D3eAA\r\n",
    b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$B$3$s\x1b(B\r\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=r\r\n\r\n--r\r\n\r\n\
      failed\r\n--r\r\nContent-Type: message/delivery-status\r\n\r\n\
      Reporting-MTA: dns; a.example\r\n\
      Arrival-Date: Mon, 23 Nov 2026 20:15:00 +0000\r\n\r\nFinal-Recipient: rfc822; b@c\r\n\
      Original-Recipient: utf-8; \\x{e9}@c\r\nAction: failed\r\nStatus: 5.1.1\r\n\
      Diagnostic-Code: smtp; 550 (no) such\r\n--r\r\nContent-Type: text/rfc822-headers\r\n\r\n\
      Subject: x\r\n\r\n--r--",
    b"Content-Type: multipart/report; report-type=disposition-notification; boundary=r\r\n\r\n\
      --r\r\n\
      Content-Type: message/disposition-notification\r\n\r\nReporting-UA: h; u\r\n\
      Final-Recipient: rfc822; b@c\r\nOriginal-Message-ID: <1@x>\r\n\
      Disposition: manual-action/MDN-sent-manually; displayed/error\r\n--r\r\n\
      Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: x/1\r\n\
      Version: 1\r\nSource-IP: 192.0.2.1\r\nReported-URI: http://x/\r\n--r--",
    b"Received: from a.b (c.d [192.0.2.1]) by e.f (g) with ESMTPS id h for <i@j>;\r\n\
      \tMon, 23 Nov 2026 20:15:00 +0000 (UTC)\r\n\
      Authentication-Results: m.x 1; spf=pass smtp.mailfrom=a@b; dkim=fail (bad) header.d=c reaso\
      n=\"d e\"\r\n\
      List-Id: \"A list\" <a.b.example>\r\nList-Unsubscribe: <mailto:x@y>, <https://z/?a=b>\r\n\
      List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Post: NO (closed)\r\n\r\n",
    b"Message-ID: <1@x>\r\nIn-Reply-To: <2@x> (\"q\" <3@x>)\r\n\
      References: <4@x><\"a b\"@x> junk <5\r\n x>\r\n\
      Subject: Re: [l] Fwd: re[2]: x (fwd) [fwd: y]\r\n\r\n",
    b"Date: Fri Nov 21 09(comment):55:06 PST 97\nDate: 1997-11-21T09:55:06.1-03:30\n\nx\n",
    b"Content-Type: text/plain\n\nbegin 644 a b.txt\n#0V%T\n`\nend\nafter\n",
    b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\
      Content-Transfer-Encoding: base64\r\n\r\n\
      eJ8+IgEAAQaQCAAEAAAAAAABAAEAAQeQBgAIAAAA5AQAAAAAAADoAAICkAYADgAAAAEA\r\n",
    b"X: y\r\nnot a field\r\n: z\r\nA : b\r\n\tfold\r\n \r\nC: d\r\n\r\nbody",
    b"Subject: a\0b\xff\xe9\r\nContent-Type: text\r\nContent-Type: image/png\r\n\
      Content-Type: x\r\n\r\n\0",
    b"Content-Type: message/rfc822\r\n\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: \
      message/global\r\n\r\nFrom: \xc3\xa9@x\r\n\r\nz",
    b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n\
      Content-Type: multipart/mixed; boundary=oi\r\n\r\n\
      --oi\r\n\r\n1\r\n--oi--\r\n--o--x\r\n--oo\r\n--o\r\nContent-Type: multipart/related; \
      boundary=oi\r\n--o\r\n\r\n--oi\r\n--o--\r\n--o\r\n",
    b"Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx\r\n----\r\n",
    b"Content-Type: text/html; charset=windows-1252\r\n\r\n\
      <html><body><div><table><tr><td>a<br>b&#x20AC;\
      &#8364;&euro;&bogus;<a href=\"x\">l</a><img src=cid:y></table><pre> c\r\n d</pre>\r\n",
];
