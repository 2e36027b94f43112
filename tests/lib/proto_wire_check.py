# SPDX-License-Identifier: Apache-2.0
"""proto_wire_check.py WHAT FEED LOG TRUTH MODE [OPTION...]: exchanges that proto_feed (with OPTIONs) tells of LOG; TAP.

TRUTH, in JSON: `protocol`; `conns`: of each connection, in the order in which they began, its exchanges in their order, with
those words that somebody else says (`flag`: one that must be set); `counts`: how many there are of "OPERATION RESOURCE";
`contains`: resources that must be told; `shapes`: likewise, whatever their case, blanks and backquotes; `by`: a word that tells the exchanges of a connection apart, for those that are interleaved; `numbers`: of the connections.

MODE: whole      nothing but what is true, and nothing is flagged
      prefix=P   likewise, but where bytes were not kept exchanges are flagged, and only the operation must be right
                 (which begins as it should, where the text is cut); at least P % are not flagged
      loss=P     what is not flagged is true, in the true order; at least P % of the truth is told so
"""
import json
import re
import subprocess
import sys
from collections import Counter

count = 0
failed = False


def case(what, wrong):
    global count, failed
    count += 1
    failed = failed or bool(wrong)
    print("not ok" if wrong else "ok", count, "-", what)
    for line in wrong[:6]:
        print("#", line)
    if len(wrong) > 6:
        print(f"# and {len(wrong) - 6} more")


def difference(told, true, protocol):
    for word, value in true.items():
        if word == "failed":
            if ("failed" in told["flags"]) != value:
                return f"flags {told['flags']}"
        elif word == "flag":
            if value not in told["flags"]:
                return f"flags {told['flags']}"
        elif word == "error":
            if not told["error"].startswith(value):
                return f"error {told['error']!r}"
        elif told[word] != value and (word != "peer" or told[word]):  # which only the beginning tells
            return f"{word} {told[word]!r}"
    if told["protocol"] != true.get("protocol", protocol):
        return f"protocol {told['protocol']}"
    return None


def short(told):
    return {k: told[k] for k in ("protocol", "operation", "resource", "status", "error", "flags", "peer") if told[k]}


def is_flagged(told):
    flags = set(told["flags"])
    return "touched" in flags or bool({"timing", "unasked"} & flags) and "encrypted" not in flags


def sequences(told, truth):
    """(told, true) of each connection, each in order."""
    conns, numbers = {}, []
    for t in told:
        if t["conn"] not in conns:
            numbers.append(t["conn"])
        conns.setdefault(t["conn"], []).append(t)
    for n in numbers:
        conns[n].sort(key=lambda t: t.get("request", t.get("response"))[0 if "request" in t else 2])
    true_numbers = truth.get("numbers") or numbers
    return [(conns[n] if n in conns else [], true) for n, true in zip(true_numbers, truth["conns"])], len(numbers)


def by_word(told, true, word):
    """The told ones in the order of the true ones."""
    places = {t[word]: i for i, t in enumerate(true)}
    return sorted(told, key=lambda t: places.get(t[word], len(places)))


def compare(told, true, protocol, relaxed):
    """Whether a told exchange is the true one; relaxed: what was not kept it need not know."""
    if not relaxed or not is_flagged(told):
        return difference(told, true, protocol)
    if told["operation"] and told["operation"] != true.get("operation", told["operation"]):
        return f"operation {told['operation']!r}"
    return None


def same(pairs, truth, relaxed):
    wrong, flagged, total = [], 0, 0
    for told, true in pairs:
        told = [t for t in told if "encrypted" not in t["flags"] or t["operation"]]
        told = by_word(told, true, truth["by"]) if "by" in truth else told
        for t, want in zip(told, true):
            total += 1
            flagged += is_flagged(t)
            what = compare(t, want, truth["protocol"], relaxed)
            if what:
                wrong.append(f"{what}: {short(t)} instead of {want}")
        if len(told) != len(true):
            wrong.append(f"{len(told)} told, {len(true)} true: {[short(t) for t in told[len(true):]] or true[len(told):]}"[:600])
    return wrong, flagged, total


def subsequence(pairs, truth):
    """What is told and not flagged, in the true order."""
    wrong, right, total = [], 0, 0
    for told, true in pairs:
        at = 0
        total += len(true)
        told = by_word(told, true, truth["by"]) if "by" in truth else told
        for t in told:
            if is_flagged(t) or "unanswered" in t["flags"] or "encrypted" in t["flags"]:
                continue
            i = at
            while i < len(true) and difference(t, true[i], truth["protocol"]):
                i += 1
            if i == len(true):
                wrong.append(f"not true: {short(t)}")
            else:
                at = i + 1
                right += 1
    return wrong, right, total


def counts(told, truth, least):
    got = Counter(f"{t['operation']} {t['resource']}" for t in told if least is None or not is_flagged(t))
    wrong = []
    for words, n in truth["counts"].items():
        have = got[words]
        if have != n if least is None else have > n or 100 * have < least * n:
            wrong.append(f"{have} instead of {n} of {words!r}")
    return wrong


def shape(text):
    return re.sub(r"[\s`]", "", text).upper()


def main():
    what, feed, log, truth_file, mode, *given = sys.argv[1:]
    out = subprocess.run([feed, log, *given], stdout=subprocess.PIPE, check=True).stdout
    told = [json.loads(line) for line in out.decode("utf-8").splitlines()]
    with open(truth_file, encoding="utf-8") as f:
        truth = json.load(f)
    kind, _, least = mode.partition("=")
    print("#", what, mode, *given)
    if truth["conns"]:
        pairs, number = sequences(told, truth)
        if kind == "loss":
            wrong, right, total = subsequence(pairs, truth)
            case(f"{what}: what is told and not flagged is true, in order", wrong)
            few = 100 * right < int(least) * total
            case(f"{what}: at least {least} % are told so: {right} of {total}", ["too few"] if few else [])
        else:
            wrong, flagged, total = same(pairs, truth, kind == "prefix")
            case(f"{what}: every exchange is told, as others know it", wrong)
            if number != len(truth["conns"]):
                wrong = [f"{number} instead of {len(truth['conns'])}"]
                case(f"{what}: as many connections", wrong)
            most = 0 if kind == "whole" else 100 - int(least)
            many = 100 * flagged > most * total
            case(f"{what}: at most {most} % are flagged: {flagged} of {total}", ["too many"] if many else [])
    if truth["counts"]:
        case(f"{what}: as many of each as others count", counts(told, truth, None if kind == "whole" else int(least)))
    if truth.get("contains") and kind == "whole":
        resources = {t["resource"] for t in told}
        missing = [f"not told: {text!r}" for text in truth["contains"] if text[:159] not in resources]
        case(f"{what}: normalised as by others", missing + (sorted(map(repr, resources)) if missing else []))
    if truth.get("shapes") and kind == "whole":
        shapes = {shape(t["resource"]) for t in told}
        case(f"{what}: normalised as by others", [f"not told: {s!r}" for s in truth["shapes"] if shape(s) not in shapes])
    print(f"1..{count}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
