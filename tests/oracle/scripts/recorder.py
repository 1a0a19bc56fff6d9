"""Forwards plain HTTP to an upstream and writes one JSON line an exchange: method, path, statuses, Prism's verdict.

Usage: recorder.py <port> <upstream URL> <file> [<text> [<routes>]]

Prism tells its verdict in the answer's header `sl-violations`, which only its caller sees. This stands between the
operator and Prism, so that the oracle sees it too. The answer to the first request whose body contains <text> is held
for ever: the effect has happened, and its caller does not know. <routes> is JSON, [[<text>, <URL>, <judged>], …]: a path
that contains the text goes to that URL instead, the first that fits. Standard library only.
"""

import http.client
import http.server
import json
import sys
import threading
import time
import urllib.parse

port, upstream, file = int(sys.argv[1]), urllib.parse.urlsplit(sys.argv[2]), sys.argv[3]
to_hold = [text for text in sys.argv[4:5] if text]
routes = [(text, urllib.parse.urlsplit(url), judged) for text, url, judged in json.loads((sys.argv[5:6] or ["[]"])[0])]
# The host goes on as it came: signatures cover it.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}
lock = threading.Lock()


class Recorder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        path = self.path
        headers = {k: v for k, v in self.headers.items() if k.lower() not in HOP}
        line = {"method": self.command, "path": path, "body": body.decode(errors="replace"),
                "headers": {k: v for k, v in headers.items() if k.lower() in {"authorization", "api-key", "x-api-key", "content-type", "accept"}}}
        target, judged = next(((to, judged) for text, to, judged in routes if text in path), (upstream, True))
        if not judged:
            line["unjudged"] = True
        try:
            client = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
            client.request(self.command, target.path.rstrip("/") + path, body or None, headers)
            answer = client.getresponse()
            content = answer.read()
        except OSError as error:
            self.record({**line, "error": str(error)})
            self.close_connection = True
            return
        violations = [v for k, v in answer.getheaders() if k.lower() == "sl-violations"]
        line |= {"status": answer.status, "violations": sum((json.loads(v) for v in violations), [])}
        if to_hold and to_hold[0].encode() in body:
            to_hold.clear()
            self.record({**line, "held": True})
            time.sleep(3600)
        self.record({**line, "answer": content.decode(errors="replace")[:4000]})
        self.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in HOP and key.lower() != "sl-violations":
                self.send_header(key, value)
        if answer.status != 204:
            self.send_header("content-length", str(len(content)))
        self.end_headers()
        if answer.status != 204:
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def record(self, line):
        with lock, open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Recorder).serve_forever()
