//! `wss://`.

use std::sync::Arc;

use nostr_pool_driver::rustls::{ClientConfig, RootCertStore, crypto};
use nostr_pool_driver::{
    BuildError, FetchOptions, PublishOptions, Quorum, Roots, RootsError, Runtime, SocketError, Verdict,
};
use nostr_proto::EventTemplate;

use super::*;
use crate::fronts::{Authority, TlsFront, Valid};

/// Over TLS everything is the same; without trust there is nothing.
pub async fn speaks_tls_with_a_trusted_server<R: Runtime>(runtime: R) {
    let server = relay();
    let authority = Authority::new("ours");
    let front = TlsFront::start(&server, authority.vouch("localhost", Valid::Now));
    let url = front.url("localhost");

    let wary = build(&runtime, builder().relay(&url));
    assert_eq!(
        refusal(&wary).await,
        "TLS handshake failed: the server's certificate comes from nobody that is trusted"
    );

    let pool = build(&runtime, builder().relay(&url).roots(Roots::bundled().with(authority.certificate())));
    connect(&pool).await;
    let long = EventTemplate::text_note("long ".repeat(100_000), Timestamp::new(1_700_000_000));
    let long = keys(1).sign(&long, [0; 32]);
    let report = pool.publish(long.clone(), PublishOptions::default().with_quorum(Quorum::All)).unwrap().await;
    assert_eq!(report.verdict, Some(Verdict::Reached));
    let fetched = pool.fetch([notes()], FetchOptions::default()).await.unwrap();
    assert_eq!(fetched.events.len(), 1);
    assert_eq!(fetched.events[0].event.content(), long.content());
}

/// Each way to say whom to trust.
pub async fn takes_roots_as_they_are_given<R: Runtime>(runtime: R) {
    let server = relay();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let front = TlsFront::start(&server, ours.vouch("127.0.0.1", Valid::Now));
    let of = |roots| build(&runtime, builder().relay(front.url("127.0.0.1")).roots(roots));

    connect(&of(Roots::none().with(ours.certificate()))).await;
    let both = format!("{}\n# a remark\n{}", theirs.pem(), ours.pem());
    connect(&of(Roots::none().with_pem(both.as_bytes()).unwrap())).await;
    let refused = refusal(&of(Roots::none().with(theirs.certificate()))).await;
    assert!(refused.ends_with("from nobody that is trusted"), "{refused}");
    let nobody = builder().roots(Roots::none()).build(runtime.clone());
    assert!(matches!(nobody, Err(BuildError::Roots(RootsError::Nobody))));
    // A system may have none. If it has, ours is not among them.
    match builder().relay(front.url("127.0.0.1")).roots(Roots::platform()).build(runtime.clone()) {
        Ok(pool) => assert!(refusal(&pool).await.ends_with("from nobody that is trusted")),
        Err(error) => assert!(matches!(error, BuildError::Roots(RootsError::NoPlatform)), "{error}"),
    }

    let mut store = RootCertStore::empty();
    store.add(ours.certificate()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    connect(&build(&runtime, builder().relay(front.url("127.0.0.1")).tls_config(Arc::new(config)))).await;
}

/// Each fault of a certificate has words of its own, and none of the peer's.
pub async fn says_what_is_wrong_with_a_certificate<R: Runtime>(runtime: R) {
    let server = relay();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (config, expected) in [
        (ours.vouch("localhost", Valid::Now), None),
        (ours.vouch("elsewhere.example", Valid::Now), Some("is for another host")),
        (ours.vouch("127.0.0.1", Valid::Now), Some("is for another host")),
        (ours.vouch("localhost", Valid::Before), Some("has expired")),
        (ours.vouch("localhost", Valid::Later), Some("is not valid yet")),
        (theirs.vouch("localhost", Valid::Now), Some("comes from nobody that is trusted")),
    ] {
        let front = TlsFront::start(&server, config);
        let roots = Roots::none().with(ours.certificate());
        let pool = build(&runtime, builder().relay(front.url("localhost")).roots(roots));
        let Some(expected) = expected else {
            connect(&pool).await;
            continue;
        };
        let told = refusal(&pool).await;
        assert_eq!(told, format!("TLS handshake failed: the server's certificate {expected}"));
        let failure = pool.dial_error(&pool.relays()[0].url);
        assert!(matches!(failure.as_deref(), Some(SocketError::Certificate(_))), "{failure:?}");
    }
}

/// A server that does not speak TLS, and one that hangs up.
pub async fn fails_where_there_is_no_tls<R: Runtime>(runtime: R) {
    let server = relay();
    let url = server.url().replace("ws://", "wss://");
    let refused = refusal(&build(&runtime, builder().relay(url))).await;
    assert!(refused.starts_with("TLS handshake failed: "), "{refused}");
    let mute = crate::fronts::Raw::start(|_| Ok(()));
    let refused = refusal(&build(&runtime, builder().relay(format!("wss://{}", mute.address())))).await;
    assert!(refused.starts_with("TLS handshake failed: "), "{refused}");
}
