"""Have nginx write an access log of what real programs ask of it on this machine, and split it.

Run once on Debian, with curl, wget, git, node and chromium: python make_data.py /usr/sbin/nginx
The log is of this machine's own making: no visitor of a site is in it.
"""

import contextlib
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).parent
SITE = Path("/usr/share/doc")
PORT = 8791
ROUNDS = 75
PARTS = {"data": 300, "hidden": 1800}
CONFIG = """
daemon off; user root; pid {work}/pid; error_log {work}/error.log; events {{}}
http {{
  access_log {work}/access.log combined;
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s; types {{ text/html html; text/plain txt; }}
  server {{
    listen 127.0.0.1:{port}; listen [::1]:{port}; root {site}; autoindex on;
    location /private/ {{
      auth_basic x; auth_basic_user_file {work}/passwords; alias {site}/; autoindex on;
    }}
    location /old/ {{ return 301 /python3/; }}
  }}
}}"""

rng = random.Random(0)
files = sorted(str(path.relative_to(SITE)) for path in SITE.rglob("*") if path.is_file())
folders = sorted(f"{path.name}/" for path in SITE.iterdir() if path.is_dir())
odd = ["favicon.ico", "robots.txt", "wp-login.php", ".env", "old/page", "a b/ü.html"]


def url(path: str, host: str = "127.0.0.1") -> str:
    """Return the address of a path on the server."""
    return f"http://{host}:{PORT}/{quote(path)}"


def some() -> str:
    """Return the address of a file, a folder, or something that is not there."""
    return url(rng.choice(rng.choices((files, folders, odd), (5, 3, 2))[0]))


def run(*command: str) -> None:
    """Run a program; what it prints, and whether it fails, does not matter."""
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdout=quiet, stderr=quiet, timeout=60, check=False)


def curl(*options: str) -> None:
    """Ask by curl, from one of many addresses of this machine."""
    address = f"127.0.{rng.randrange(4)}.{rng.randrange(2, 250)}"
    run("curl", "-s", "-m", "5", "--interface", address, *options)


def ask(number: int, scratch: str) -> None:
    """Ask for many things in many ways."""
    for _ in range(12):
        curl(some())
    curl("-I", some())
    curl("-r", f"{rng.randrange(50)}-{rng.randrange(60, 900)}", url(rng.choice(files)))
    curl("-X", "POST", "-d", "a=1", some())
    curl("-X", "DELETE", some())
    curl("--http1.0", some())
    curl("-A", 'a "quoted" agent\\', "-e", some(), f"{some()}?q={rng.randrange(999)}&up=%22")
    curl("-A", "", some())
    curl("-u", "anna:secret", url("private/" + rng.choice(folders)))
    curl("-u", "anna b:wrong", url("private/"))
    curl("-L", "-e", f"https://example.org/search?q={rng.randrange(99)}", url("old/x"))
    curl("-k", f"https://127.0.0.1:{PORT}/")  # not HTTP: nginx logs the bytes, escaped
    if number % 3 == 0:
        wget = ("wget", "-q", "-r", "-l", "1", "-Q", "200k", "-P", scratch, "-e", "robots=off")
        run(*wget, url(rng.choice(folders)))
    if number % 5 == 0:
        run("git", "ls-remote", url(rng.choice(folders)))
    if number % 10 == 0:
        run("node", "-e", f"fetch('{some()}').then(reply => reply.text())")
    if number % 10 == 5:
        browser = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
        run(*browser, url(rng.choice(folders), "[::1]"))
    for agent in ({}, {"User-Agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}):
        with contextlib.suppress(urllib.error.HTTPError):  # not there: the log has a line of it
            urllib.request.urlopen(urllib.request.Request(some(), headers=agent), timeout=5).read()
    for raw in (b"\r\n\r\n", b"HELO x\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /\r\n"):
        if rng.random() < 0.15:
            with socket.create_connection(("127.0.0.1", PORT)) as connection:
                connection.sendall(raw)
    time.sleep(rng.random())


with tempfile.TemporaryDirectory() as work:
    config = Path(work, "nginx.conf")
    config.write_text(CONFIG.format(work=work, site=SITE, port=PORT))
    Path(work, "passwords").write_text("anna:{PLAIN}secret\n")
    server = subprocess.Popen([sys.argv[1], "-c", str(config), "-p", work])
    time.sleep(1)
    for number in range(ROUNDS):
        ask(number, work)
    server.terminate()
    server.wait()
    lines = Path(work, "access.log").read_text().splitlines()

rng.shuffle(lines)
start = 0
for folder, count in PARTS.items():
    chosen = lines[start : start + count]
    (HERE / folder / "access.log").write_text("\n".join(chosen) + "\n")
    start += count
