# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def desk(ctx, reports, news, sections, count):
    """Take so many reports, number them, and publish each to whoever reads its section.

    reports   bind a PULL here: reporters connect and push reports of two frames or of three,
              [section][headline] or [section][headline][photo]; a frame may be empty, a section is not
    news      bind here and publish each report as [section][number][headline], and with its photo as
              [section][number][headline][photo]. The number is decimal digits, b"1" for the report that
              came first, b"2" for the next, whatever their sections
    sections  a list of bytes, one for each reader. A reader is somebody else's SUB: it connects to `news`
              and subscribes to its section. Publish nothing before somebody has subscribed to each of them
    count     how many reports will come, at most 500. Return when the last one is sent

    Wait as long as it takes; reports that come early wait in their queue. No section is the beginning of
    another, two readers never have the same one, and no reader leaves. A reader may be slow: what waits
    for it must not be dropped, neither while you work nor when you return. The Context that you are given
    has a bounded linger. Leave no socket open.
    """
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUB) as pub:
        pub.linger = 0
        pull.bind(reports)
        pub.bind(news)
        for number in range(1, count + 1):
            section = pull.recv()
            headline = pull.recv()
            pub.send_multipart([section, b"%d" % number, headline])
