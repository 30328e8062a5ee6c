//! The scenarios on async-std.

nostr_pool_tests::adapter_tests!(async_std::task::block_on, nostr_pool_async_std::AsyncStd);
