"""A mail server for tests: python sink.py starttls|tls|none [CERTIFICATE KEY].

Prints the port it listens on, then each letter as one JSON line, as Python's own reader of mail
understands it. Who wants to log in is `fleet` with the password `secret`. The recipient decides
what goes wrong: `nobody@` is refused for good, `full@` for now, `full-once@` the first time, with
`hang@` there is no answer to the letter, with `spam@` it is refused, with `busy@` the server closes.
"""

import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

REFUSED = {"nobody": "550 5.1.1 no such user", "full": "452 4.2.2 mailbox full"}
LETTERS = {"spam": "554 5.7.1 this looks like spam", "busy": "421 4.3.2 closing for maintenance"}


class Sink:
    full_once = True

    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        if user == "full-once" and Sink.full_once:
            Sink.full_once = False
            return REFUSED["full"]
        if user in REFUSED:
            return REFUSED[user]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        users = [to.split("@")[0] for to in envelope.rcpt_tos]
        if "hang" in users:
            await asyncio.sleep(600)
        for user in users:
            if user in LETTERS:
                return LETTERS[user]
        print(json.dumps(letter(envelope)), flush=True)
        return "250 OK"


def letter(envelope):
    parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = lambda kind: parsed.get_body([kind]).get_content()
    return {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "headers": {name: str(value) for name, value in parsed.items()},
        "defects": [str(d) for part in parsed.walk() for d in part.defects],
        "type": parsed.get_content_type(),
        "longest_line": max(map(len, envelope.content.split(b"\r\n"))),
        "text": body("plain").replace("\r\n", "\n"),
        "html": body("html").replace("\r\n", "\n"),
    }


def login(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"fleet", b"secret")
    return AuthResult(success=right, handled=False)


async def serve(mode, files):
    context = None
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*files)
    options = {"hostname": "localhost", "authenticator": login}
    if mode == "starttls":
        options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    else:
        options |= {"auth_require_tls": False, "auth_required": mode == "tls"}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(Sink(), **options), "127.0.0.1", 0, ssl=context if mode == "tls" else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # The end of standard input is the end of the test.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


try:
    asyncio.run(serve(sys.argv[1], sys.argv[2:]))
except KeyboardInterrupt:
    pass
