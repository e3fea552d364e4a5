# An authority of its own, and certificates by it: for each line `KIND NAMES` of standard input a file
# KIND.pem with the key, the certificate and the authority. `self` is by nobody else, `expired` was good in 2020.
set -e
cat > ca.cnf <<END
[ca]
default_ca = own
[own]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = names
copy_extensions = copy
unique_subject = no
[names]
commonName = supplied
END
: > index.txt
curve="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $curve -days 30 -subj "/CN=An authority" -keyout ca.key -out ca.pem
while read -r kind names; do
    openssl req -new $curve -subj "/CN=$kind" -addext "subjectAltName=$names" -keyout "$kind.key" -out "$kind.csr"
    case $kind in
        expired) end=20200201000000Z ;;
        *) end=20991231000000Z ;;
    esac
    case $kind in
        self) openssl x509 -req -in self.csr -signkey self.key -copy_extensions copy -days 30 -out self.crt ;;
        *) openssl ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key \
            -startdate 20200101000000Z -enddate "$end" -in "$kind.csr" -out "$kind.crt" ;;
    esac
    cat "$kind.key" "$kind.crt" ca.pem > "$kind.pem"
    openssl x509 -in "$kind.crt" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -r | cut -d" " -f1 > "$kind.key-hash"
    openssl x509 -in "$kind.crt" -outform der | openssl dgst -sha256 -r | cut -d" " -f1 > "$kind.hash"
done
openssl x509 -in ca.pem -outform der | openssl dgst -sha256 -r | cut -d" " -f1 > ca.hash
