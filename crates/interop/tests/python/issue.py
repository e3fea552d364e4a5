"""Issues access tokens: makes a key of that name by openssl, writes the set of keys to the folder's
keys.json, and prints a token that is good, one that has expired, and one that is good and as long
as a token may be.
"""
import base64, json, os, subprocess, sys, time

folder, name = sys.argv[1:]
key = os.path.join(folder, name + ".pem")


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, **more).stdout


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
modulus = openssl("rsa", "-in", key, "-modulus", "-noout").decode().strip().split("=")[1]
public = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": name, "e": "AQAB",
          "n": encode(bytes.fromhex(modulus))}
# Put in the old one's place at once, so that nobody reads half of it.
with open(os.path.join(folder, "new.json"), "w") as out:
    json.dump({"keys": [public]}, out)
os.replace(os.path.join(folder, "new.json"), os.path.join(folder, "keys.json"))


def token(expires, **more):
    header = {"alg": "RS256", "typ": "at+jwt", "kid": name}
    claims = {"iss": "https://login.test.localhost", "aud": ["mail", "web"], "sub": "7",
              "email": "ada@test.localhost", "email_verified": True, "scope": "openid mail",
              "exp": expires, **more}
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    signature = openssl("dgst", "-sha256", "-sign", key, input=signed.encode())
    return signed + "." + encode(signature)


now = int(time.time())
print(token(now + 3600))
print(token(now - 3600))
room = 8192 - len(token(now + 3600, groups=""))
print(token(now + 3600, groups="x" * (room * 3 // 4 - 1)))
