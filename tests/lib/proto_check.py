# SPDX-License-Identifier: Apache-2.0
"""proto_check.py WHAT FEED LOG TRUTH [OPTION...]: exchanges that proto_feed tells of LOG, against what the client knows; TAP.

Each exchange of TRUTH is told exactly once, with the same words, and with its messages at the same places of the streams.
With drop= or skip= among the options some cannot be told: then no request may be paired with a response that is not its own,
unless the exchange is flagged as touched.  Figures follow as a comment.

OPTION also: least=PERCENT (of the true exchanges, paired rightly), words=no (the prefix is too short for them), ends=no (for
the ends of messages, too), touched=PERCENT (at most so many flagged; 0 where nothing is said).
"""
import collections
import json
import subprocess
import sys

WORDS = ("protocol", "operation", "resource", "status", "peer", "request_id", "trace", "parent")
count = 0
failed = False


def case(what, wrong):
    global count, failed
    count += 1
    failed = failed or bool(wrong)
    print("not ok" if wrong else "ok", count, "-", what)
    for line in wrong[:5]:
        print("#", line)
    if len(wrong) > 5:
        print(f"# and {len(wrong) - 5} more")


def key(conn, mark):
    return conn, mark[0]


def same(told, true, words, ends):
    """What of an exchange is not as it is in truth."""
    for side in "request", "response":
        if side in true and told.get(side, [None, None])[:1 + ends] != true[side][:1 + ends]:
            return f"{side} at {told.get(side, [None])[:2]}"
        if side + "_begin" in true and told.get(side, [None])[0] != true[side + "_begin"]:
            return f"{side} begins at {told.get(side, [None])[:1]}"
    for word in WORDS if words else ("protocol",):
        if word in true and told[word] != true[word]:
            return f"{word} {told[word]!r}"
    if words and "failed" in true and ("failed" in told["flags"]) != true["failed"]:
        return f"flags {told['flags']}"
    return None


def whole(told, truth, words, ends, most_touched, least):
    """Nothing was lost: all is told."""
    told_by, wrong, touched, right = {}, [], 0, 0
    twice = []
    for t in told:
        k = key(t["conn"], t.get("request", [None]))
        if k in told_by:
            twice.append(f"{t}")
        told_by[k] = t
    for true in truth:
        begin = true["request"][0] if "request" in true else true["request_begin"]
        t = told_by.pop((true["conn"], begin), None)
        if t is None:
            wrong.append(f"not told: {true}")
        elif "touched" in t["flags"]:
            touched += 1
        else:
            difference = same(t, true, words, ends)
            right += not difference
            if difference:
                wrong.append(f"{difference} instead of {true}")
    rest = [str(t) for t in told_by.values() if "touched" not in t["flags"]]
    if least is None:
        case("every exchange is told, as the client knows it", wrong)
    else:
        wrong = [w for w in wrong if not w.startswith("not told")]
        case("what is told and not flagged is as the client knows it", wrong)
        case(f"at least {least} % are told so", [] if 100 * right >= least * len(truth) else [f"{right} of {len(truth)}"])
    if least is None:
        case("nothing is told twice, and nothing else", twice + rest)
        case(f"at most {most_touched} % are flagged as touched",
             [] if 100 * touched <= most_touched * len(truth) else [f"{touched} of {len(truth)}"])
    print(f"# {len(truth)} true, {len(told)} told, {right} right, {touched} touched")


def pairs(told, truth, least):
    """Pieces were lost: pairs that are told are true ones, or flagged."""
    answer = {}
    for t in truth:
        begin = t["request"][0] if "request" in t else t.get("request_begin")
        answer[t["conn"], begin] = t["response"][0] if "response" in t else t.get("response_begin", "not known")
    wrong, right, touched = [], 0, collections.Counter()
    for t in told:
        if "request" not in t or "response" not in t or "timing" in t["flags"]:  # a turn is a turn
            continue
        true = answer.get(key(t["conn"], t["request"]))
        if true == "not known":
            continue
        is_right = true == t["response"][0]
        touched["touched" in t["flags"], is_right] += 1
        right += is_right
        if not is_right and "touched" not in t["flags"]:
            wrong.append(f"the answer is at {true}: {t}")
    case("no pair is wrong that is not flagged", wrong)
    if least is not None:
        case(f"at least {least} % are paired rightly", [] if 100 * right >= least * len(truth) else [f"{right} of {len(truth)}"])
    print(f"# {len(truth)} true, {len(told)} told; pairs right {touched[False, True]}, right and flagged {touched[True, True]}, "
          f"wrong and flagged {touched[True, False]}, wrong {touched[False, False]}")


def main():
    _, what, feed, log, truth_file, *options = sys.argv
    given = dict(o.split("=") for o in options)
    own = {k: given.pop(k) for k in ("least", "words", "ends", "touched") if k in given}
    out = subprocess.run([feed, log, *(f"{k}={v}" for k, v in given.items())], stdout=subprocess.PIPE, check=True).stdout
    told = [json.loads(line) for line in out.decode("utf-8").splitlines()]
    with open(truth_file, encoding="ascii") as f:
        truth = [json.loads(line) for line in f]
    print("#", what, *options)
    least = int(own["least"]) if "least" in own else None
    if "drop" in given or "skip" in given:
        pairs(told, truth, least)
    else:
        whole(told, truth, own.get("words") != "no", own.get("ends") != "no", int(own.get("touched", 0)), least)
    print(f"1..{count}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
