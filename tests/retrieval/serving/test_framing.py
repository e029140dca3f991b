"""Frames survive however the stream is cut, and a peer cannot make us wait for gigabytes."""

from __future__ import annotations

import random
import struct

import msgspec
import pytest

from retrieval.serving import framing, messages
from retrieval.serving.framing import FrameError, FrameReader, frame


@pytest.mark.parametrize("seed", range(40))
def test_frames_come_out_whole_and_in_order_however_the_stream_is_cut(seed):
    chance = random.Random(seed)
    payloads = [chance.randbytes(chance.choice([0, 1, 3, 4, 5, 100, 70_000])) for _ in range(20)]
    stream = b"".join(map(frame, payloads))
    reader, out, at = FrameReader(), [], 0
    while at < len(stream):
        size = chance.choice([1, 2, 3, 7, 4096, len(stream)])
        out += reader.feed(stream[at : at + size])
        at += size
    assert out == payloads


def test_a_frame_is_given_out_with_its_last_byte_and_not_before():
    reader, stream = FrameReader(), frame(b"abc")
    assert [reader.feed(bytes([byte])) for byte in stream] == [[]] * 6 + [[b"abc"]]
    assert reader.feed(b"") == []


def test_a_payload_over_the_limit_is_not_sent():
    assert len(frame(bytes(framing.MAX_FRAME))) == framing.MAX_FRAME + 4
    with pytest.raises(FrameError, match="over the limit"):
        frame(bytes(framing.MAX_FRAME + 1))


def test_an_announced_size_over_the_limit_is_refused_before_it_arrives():
    reader = FrameReader()
    assert reader.feed(struct.pack(">I", framing.MAX_FRAME)) == []
    with pytest.raises(FrameError, match="over the limit"):
        FrameReader().feed(frame(b"good") + struct.pack(">I", framing.MAX_FRAME + 1))


def test_messages_come_back_as_they_were():
    asked = messages.Request(7, 12.5, messages.Match(b"\x89PNG\0", ("a", "b"), 3))
    assert messages.decode_request(messages.encode(asked)) == asked
    told = messages.Reply(7, messages.Failure("busy", "Später, 猫.", 1.5))
    assert messages.decode_reply(messages.encode(told)) == told


def test_a_reply_is_no_request():
    told = messages.encode(messages.Reply(7, messages.Failure("busy")))
    with pytest.raises(msgspec.DecodeError):
        messages.decode_request(told)
