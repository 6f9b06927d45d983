"""Whatever a hostile writer puts into the queue, nothing is imported, executed or opened before a task is called."""

import json
import subprocess
import sys

CODE = '''
import json, sys, threading

from qtasks import QueueTasks
from qtasks.codec import encode_message, envelope_of
from qtasks.message import Envelope, TaskMessage, new_id
from qtasks.testing import running
from qtasks_plugins.signing.keyring import Keyring
from qtasks_plugins.signing.plugin import SigningPlugin
from qtasks_testkit.faults.malformed import broken_payloads, new_message

FORBIDDEN = ("import", "exec", "compile", "open", "subprocess", "os.", "shutil", "ctypes", "pickle", "marshal", "code")
KEY = "key:" + "ab" * 32
events, armed, ran = [], threading.Event(), []


def watch(event, args):
    if armed.is_set() and event.startswith(FORBIDDEN):
        events.append((event, repr(args)[:200]))


app = QueueTasks("shop", "memory://hostile")
app.task("nap")(lambda *args, **kw: ran.append(args))
app.add_plugin(SigningPlugin(KEY))
keyring = Keyring(KEY)


def publish(payloads):
    envelopes = [Envelope(TaskMessage(1, new_id(), "shop", "default", "nap"), payload) for payload in payloads]
    return app.runtime.run_blocking(lambda link: link.broker.publish(envelopes))


def with_own_id(envelopes):
    return app.runtime.run_blocking(lambda link: link.broker.publish(envelopes))


def hostile():
    """Envelopes that can be read: unsigned, and changed after they were signed."""
    names = ["os.system", "subprocess:run", "builtins.eval", "__import__", "app:nap", "nap.__globals__", "../nap"]
    values = [
        {"__reduce__": ["os.system", ["true"]]}, {"py/object": "subprocess.Popen", "args": ["true"]},
        {"__class__": "builtins.eval", "x": "1"}, "cos\\nsystem\\n(S'true'\\ntR.", "!!python/object/apply:os.system",
        "{{ self.__init__.__globals__ }}", "\\x00" * 50, "file:///etc/passwd", [[[]]] * 20,
    ]
    for name in names:
        yield TaskMessage(1, new_id(), "shop", "default", name, [1], headers={"task": name})
    for value in values:
        yield TaskMessage(1, new_id(), "shop", "default", "nap", [value], {"x": value}, headers={"h": value})
        yield TaskMessage(1, new_id(), "shop", "default", "nap", signature=str(value)[:100], unique=str(value)[:100])


good = keyring.sign(encode_message(new_message("shop"))).payload
corpus = [payload for _, payload in broken_payloads(good)]
envelopes = [encode_message(message) for message in hostile()]
envelopes += [envelope_of(keyring.sign(envelope).payload, args=["changed"]) for envelope in list(envelopes)]
envelopes = [envelope_of(each.payload, id=new_id()) for each in envelopes]
sys.addaudithook(watch)
with running(app):
    warm = [*publish([b"{}"]), app.add_task("nap", 0).id]  # what is imported when it is first needed
    end = lambda id_: app.runtime.run_blocking(lambda link: link.storage.wait(id_, 20))
    for id_ in warm:
        end(id_)
    with_own_id([envelopes[-1]])
    end(envelopes[-1].message.id)
    armed.set()
    ids = publish(corpus) + with_own_id(envelopes[:-1])
    found = [end(id_) for id_ in ids]
    armed.clear()
    last = app.add_task("nap", 1, timeout=20)
kinds = {f"{record.status} {record.error.type}" for record in found}
print(json.dumps({"events": events, "count": len(found), "kinds": sorted(kinds), "ran": ran, "last": last.status}))
'''


def test_no_message_makes_a_worker_import_execute_or_open_anything():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=50)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told.pop("count") > 1000
    assert told == {
        "events": [],
        "kinds": ["dead malformed", "dead signature"],
        "ran": [[0], [1]],
        "last": "success",
    }


def test_the_watch_sees_a_task_that_opens_a_file():
    code = CODE.replace("ran.append(args))", "[ran.append(args), open(__import__('os').devnull).close()])")
    code = code.replace("    armed.clear()\n", "    end(app.add_task('nap', 2).id)\n    armed.clear()\n")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=50)
    assert [event for event, _ in json.loads(run.stdout)["events"]] == ["open"]
