//! What a script wants of a line: a small regular expression, matched against a whole text.
//!
//! The scripts use escapes, `.`, `\d`, `\w`, groups without alternatives, `?`, `*`, `+` and counts;
//! whatever else looks like an expression stands for itself.

/// A character of a pattern, and whether it stands for itself.
pub(crate) type Letter = (char, bool);

#[derive(Clone, Debug)]
enum Atom {
    One(char),
    Any,
    Digit,
    Word,
    Group(Vec<Piece>),
}

#[derive(Clone, Debug)]
struct Piece {
    atom: Atom,
    least: usize,
    most: usize,
}

/// A pattern's characters: an escaped one stands for itself, except those that stand for a kind.
pub(crate) fn letters(pattern: &str) -> Vec<Letter> {
    let mut letters = Vec::new();
    let mut rest = pattern.chars();
    while let Some(one) = rest.next() {
        match one {
            '\\' => match rest.next() {
                Some(kind @ ('d' | 'w')) => letters.push((kind, false)),
                Some('r') => letters.push(('\r', true)),
                Some(other) => letters.push((other, true)),
                None => letters.push(('\\', true)),
            },
            '.' | '*' | '+' | '?' | '(' | ')' | '{' => letters.push((one, false)),
            _ => letters.push((one, true)),
        }
    }
    letters
}

/// A text in which every character stands for itself.
pub(crate) fn plain(text: &str) -> Vec<Letter> {
    text.chars().map(|one| (one, true)).collect()
}

/// True if the whole text is as the pattern says.
pub(crate) fn fits(pattern: &[Letter], text: &[Letter]) -> bool {
    let mut rest = pattern;
    let pieces = pieces(&mut rest);
    let text: Vec<char> = text.iter().map(|letter| letter.0).collect();
    ends(&pieces, &text, 0).contains(&text.len())
}

fn pieces(rest: &mut &[Letter]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    while let Some((&(one, itself), behind)) = rest.split_first() {
        *rest = behind;
        let atom = match (one, itself) {
            ('.', false) => Atom::Any,
            ('d', false) => Atom::Digit,
            ('w', false) => Atom::Word,
            ('(', false) => Atom::Group(self::pieces(rest)),
            (')', false) => return pieces,
            (sign @ ('?' | '*' | '+'), false) => {
                let Some(last) = pieces.last_mut() else {
                    continue;
                };
                last.least = usize::from(sign == '+');
                last.most = if sign == '?' { 1 } else { usize::MAX };
                continue;
            }
            ('{', false) => {
                if let Some(last) = pieces.last_mut() {
                    (last.least, last.most) = count(rest);
                }
                continue;
            }
            (one, _) => Atom::One(one),
        };
        pieces.push(Piece {
            atom,
            least: 1,
            most: 1,
        });
    }
    pieces
}

/// `1,2}` or `3}`.
fn count(rest: &mut &[Letter]) -> (usize, usize) {
    let close = rest.iter().position(|letter| letter.0 == '}').unwrap();
    let inside: String = rest[..close].iter().map(|letter| letter.0).collect();
    *rest = &rest[close + 1..];
    let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
    (least.parse().unwrap(), most.parse().unwrap())
}

/// Every place where the pieces may end that begin at `from`.
fn ends(pieces: &[Piece], text: &[char], from: usize) -> Vec<usize> {
    let mut places = vec![from];
    for piece in pieces {
        let mut next = Vec::new();
        for place in places {
            repeated(piece, text, place, &mut next);
        }
        next.sort_unstable();
        next.dedup();
        places = next;
    }
    places
}

fn repeated(piece: &Piece, text: &[char], from: usize, all: &mut Vec<usize>) {
    let mut places = vec![from];
    let mut count = 0;
    loop {
        if count >= piece.least {
            all.extend(&places);
        }
        if count == piece.most {
            return;
        }
        let mut next: Vec<usize> = places
            .iter()
            .flat_map(|place| once(&piece.atom, text, *place))
            .collect();
        next.retain(|place| *place > from + count);
        if next.is_empty() {
            return;
        }
        places = next;
        count += 1;
    }
}

fn once(atom: &Atom, text: &[char], at: usize) -> Vec<usize> {
    let fits = |one: &char| match atom {
        Atom::One(wanted) => one == wanted,
        Atom::Any => *one != '\n' && *one != '\r',
        Atom::Digit => one.is_ascii_digit(),
        Atom::Word => one.is_ascii_alphanumeric() || *one == '_',
        Atom::Group(_) => false,
    };
    match atom {
        Atom::Group(pieces) => ends(pieces, text, at),
        _ if text.get(at).is_some_and(fits) => vec![at + 1],
        _ => Vec::new(),
    }
}

#[test]
fn a_pattern_fits_what_it_says() {
    let fits = |pattern: &str, text: &str| fits(&letters(pattern), &plain(text));
    assert!(fits(r"\* OK \[UIDNEXT \d+\].*", "* OK [UIDNEXT 12] soon"));
    assert!(!fits(r"\* OK \[UIDNEXT \d+\]", "* OK [UIDNEXT ]"));
    assert!(fits(r"a( b)?c", "a bc") && fits(r"a( b)?c", "ac") && !fits(r"a( b)?c", "a b b"));
    assert!(fits(r"\d{1,2}-\w{3}", "7-Jul") && !fits(r"\d{1,2}-\w{3}", "123-Jul"));
    assert!(fits(r"(.)*", "anything") && fits(r"a.c", "abc") && !fits(r"a\.c", "abc"));
}
