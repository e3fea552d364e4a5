# Mail::IMAPClient does all it can in one round, comes again, and finds what it left.
use strict; use warnings; use Mail::IMAPClient; use IO::Socket::SSL;
my ($ca, $port) = @ARGV;
sub connected {
    my $c = Mail::IMAPClient->new(Server => "localhost", Port => $port, User => "ada\@test.localhost", Password => "secret",
        Ssl => [SSL_ca_file => $ca], Uid => 1, Peek => 1) or die "no client: $@";
    return $c;
}
my $c = connected();
sub good { my ($what, $well) = @_; $well or die "$what: " . ($c->LastError // "nothing said") . "\n" }
my @letters = map { "From: Guest <guest\@elsewhere.example>\r\nTo: ada\@test.localhost\r\nSubject: Letter $_\r\n"
    . "Date: Mon, 23 Nov 2026 12:00:0$_ +0000\r\nMessage-ID: <$_\@elsewhere.example>\r\n\r\nBody $_\r\n" } 1 .. 3;
good(append => $c->append_string("INBOX", $_)) for @letters;
good(select => $c->select("INBOX"));
my @all = $c->messages;
good("three uids", @all == 3);
good(read => $c->message_string($all[1]) eq $letters[1]);
good(subject => $c->subject($all[0]) eq "Letter 1");
good(search => "@{[$c->search('SUBJECT', 'Letter 3')]}" eq "$all[2]");
good(seen => $c->see($all[0]));
good(flag => $c->set_flag("work", $all[1]));
good(flags => grep { $_ eq "work" } $c->flags($all[1]));
good(unseen => $c->unseen_count == 2);
good(create => $c->create("Old Letters"));
good(exists => $c->exists("Old Letters"));
good(subscribe => $c->subscribe("Old Letters"));
good(folders => grep { $_ eq "Old Letters" } $c->folders);
good(copy => $c->copy("Old Letters", $all[0]));
good(move => $c->move("Old Letters", $all[1]));
good(delete => $c->delete_message($all[2]));
good(expunge => $c->expunge);
good(left => $c->message_count == 1);
good(rename => $c->rename("Old Letters", "Kept"));
good(count => $c->message_count("Kept") == 2);
good(thread => $c->thread("REFERENCES"));
good(idle => my $idle = $c->idle);
good(done => $c->done($idle));
my %before = (validity => $c->uidvalidity("INBOX"), next => $c->uidnext("INBOX"));
good(logout => $c->logout);
$c = connected();
good(select => $c->select("Kept"));
my $h = $c->fetch_hash("UID", "FLAGS", "RFC822.SIZE");
good(hash => keys(%$h) == 2);
good(same => $c->uidvalidity("INBOX") == $before{validity} && $c->uidnext("INBOX") == $before{next});
good(delete => $c->close && $c->delete("Kept"));
good(gone => !$c->exists("Kept"));
$c->logout;
print "good\n";
