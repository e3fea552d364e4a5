require ["fileinto", "envelope", "imap4flags", "regex"];

# Fifty rules of the kinds that people have; none of them is true of the letters of the bench, so each is asked.

# rule 1
if header :contains "List-Id" "<rust-users.lists.example.org>" {
    fileinto "Lists/rust-users";
    stop;
}
# rule 2
if header :contains "List-Id" "<announce.lists.example.org>" {
    fileinto "Lists/announce";
    stop;
}
# rule 3
if header :contains "List-Id" "<gardening.lists.example.org>" {
    fileinto "Lists/gardening";
    stop;
}
# rule 4
if header :contains "List-Id" "<kernel.lists.example.org>" {
    fileinto "Lists/kernel";
    stop;
}
# rule 5
if header :contains "List-Id" "<sailing.lists.example.org>" {
    fileinto "Lists/sailing";
    stop;
}
# rule 6
if header :contains "List-Id" "<chess.lists.example.org>" {
    fileinto "Lists/chess";
    stop;
}
# rule 7
if header :contains "List-Id" "<astronomy.lists.example.org>" {
    fileinto "Lists/astronomy";
    stop;
}
# rule 8
if header :contains "List-Id" "<bread.lists.example.org>" {
    fileinto "Lists/bread";
    stop;
}
# rule 9
if header :contains "List-Id" "<bicycles.lists.example.org>" {
    fileinto "Lists/bicycles";
    stop;
}
# rule 10
if header :contains "List-Id" "<poetry.lists.example.org>" {
    fileinto "Lists/poetry";
    stop;
}
# rule 11
if header :contains "List-Id" "<climbing.lists.example.org>" {
    fileinto "Lists/climbing";
    stop;
}
# rule 12
if header :contains "List-Id" "<choir.lists.example.org>" {
    fileinto "Lists/choir";
    stop;
}
# rule 13
if address :is "From" "grace@people.example" {
    fileinto "People/grace";
    stop;
}
# rule 14
if address :is "From" "peter@people.example" {
    fileinto "People/peter";
    stop;
}
# rule 15
if address :is "From" "linus@people.example" {
    fileinto "People/linus";
    stop;
}
# rule 16
if address :is "From" "boss@people.example" {
    fileinto "People/boss";
    stop;
}
# rule 17
if address :is "From" "mother@people.example" {
    fileinto "People/mother";
    stop;
}
# rule 18
if address :is "From" "bank@people.example" {
    fileinto "People/bank";
    stop;
}
# rule 19
if address :is "From" "school@people.example" {
    fileinto "People/school";
    stop;
}
# rule 20
if address :is "From" "doctor@people.example" {
    fileinto "People/doctor";
    stop;
}
# rule 21
if header :matches "Subject" "*invoice*" {
    fileinto "Work/invoice";
    stop;
}
# rule 22
if header :matches "Subject" "*order*" {
    fileinto "Work/order";
    stop;
}
# rule 23
if header :matches "Subject" "*receipt*" {
    fileinto "Work/receipt";
    stop;
}
# rule 24
if header :matches "Subject" "*ticket*" {
    fileinto "Work/ticket";
    stop;
}
# rule 25
if header :matches "Subject" "*meeting*" {
    fileinto "Work/meeting";
    stop;
}
# rule 26
if header :matches "Subject" "*agenda*" {
    fileinto "Work/agenda";
    stop;
}
# rule 27
if header :matches "Subject" "*report*" {
    fileinto "Work/report";
    stop;
}
# rule 28
if header :matches "Subject" "*urgent*" {
    fileinto "Work/urgent";
    stop;
}
# rule 29
if address :domain :is ["From", "Sender"] "shop.example" {
    fileinto "Shops/shop.example";
    stop;
}
# rule 30
if address :domain :is ["From", "Sender"] "bank.example" {
    fileinto "Shops/bank.example";
    stop;
}
# rule 31
if address :domain :is ["From", "Sender"] "travel.example" {
    fileinto "Shops/travel.example";
    stop;
}
# rule 32
if address :domain :is ["From", "Sender"] "news.example" {
    fileinto "Shops/news.example";
    stop;
}
# rule 33
if address :contains ["To", "Cc"] "team@example.org" {
    fileinto "team";
    stop;
}
# rule 34
if address :contains ["To", "Cc"] "office@example.org" {
    fileinto "office";
    stop;
}
# rule 35
if address :contains ["To", "Cc"] "board@example.org" {
    fileinto "board";
    stop;
}
# rule 36
if address :contains ["To", "Cc"] "alumni@example.org" {
    fileinto "alumni";
    stop;
}
# rule 37
if exists ["X-Spam-Flag", "X-Spam-Level"] {
    fileinto "Junk";
    stop;
}
# rule 38
if header :contains "X-Spam-Flag" "YES" {
    fileinto "Junk";
    stop;
}
# rule 39
if header :matches "X-Spam-Level" "\\*\\*\\*\\*\\**" {
    fileinto "Junk";
    stop;
}
# rule 40
if allof(header :contains "Precedence" ["bulk", "junk"], not exists "List-Id") {
    fileinto "Bulk";
    stop;
}
# rule 41
if size :over 5M {
    fileinto "Large";
    stop;
}
# rule 42
if envelope :is "from" "" {
    fileinto "Reports";
    stop;
}
# rule 43
if envelope :matches "from" "*-bounces@*" {
    fileinto "Bounces";
    stop;
}
# rule 44
if anyof(header :is "X-Priority" "1", header :contains "Importance" "high") {
    addflag "\\Flagged"; keep;
    stop;
}
# rule 45
if header :regex "Subject" "^\\[[a-z]+-?[a-z]*\\]" {
    fileinto "Tagged";
    stop;
}
# rule 46
if header :regex ["To", "Cc"] "(^|[^-a-z0-9_.])sales@example\\.org" {
    fileinto "Sales";
    stop;
}
# rule 47
if allof(address :is "From" "cron@example.org", header :contains "Subject" "failed") {
    fileinto "Machines";
    stop;
}
# rule 48
if header :contains "X-Mailer" ["Bulk", "Campaign", "Newsletter"] {
    fileinto "Newsletters";
    stop;
}
# rule 49
if header :contains "Content-Type" "application/ms-tnef" {
    fileinto "Odd";
    stop;
}
# rule 50
if header :is "Auto-Submitted" ["auto-generated", "auto-replied"] {
    fileinto "Machines";
    stop;
}
