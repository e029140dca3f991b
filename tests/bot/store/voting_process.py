"""A process that votes: `voting_process.py URL RESULT_ID KIND USER_ID...`, one outcome a line."""

import asyncio
import sys

from bot.store import Store
from bot.store.votes import cast


async def main(url: str, result_id: int, kind: str, user_ids: list[int]) -> None:
    stores = [Store(url), Store(url)]
    print("ready", flush=True)
    sys.stdin.readline()  # everybody starts on the same word

    async def one(store: Store, user_id: int) -> str:
        async with store.write() as session:
            return await cast(session, result_id, user_id, kind)

    outcomes = await asyncio.gather(
        *(one(stores[n % 2], user_id) for n, user_id in enumerate(user_ids))
    )
    print("\n".join(outcomes))
    for store in stores:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], [int(u) for u in sys.argv[4:]]))
