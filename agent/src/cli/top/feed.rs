//! Talks with the agent: asks it again and again, hears what it does, and has done what the user wants.

use std::{path::PathBuf, pin::pin, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_stream::StreamExt;

use super::news::{Look, News, Request, Sample};
use crate::api::{Client, client::ClientError, view::Entry};

/// How many entries of the journal are asked for at the beginning.
const PAST: u32 = 50;
/// How long until an agent that is gone is looked for again.
const AGAIN: Duration = Duration::from_secs(1);
/// What `trimtab why` looks back by default.
const WINDOW: Duration = Duration::from_secs(10);
/// Agent and screen are busy with questions for one part of so many.
const SHARE: u32 = 20;

/// The ends of a feed that the screen does not hold.
#[derive(Debug)]
pub(super) struct Feed {
    /// The agent's socket.
    pub(super) socket: PathBuf,
    /// How often to ask.
    pub(super) interval: Duration,
    /// What is new goes here.
    pub(super) news: mpsc::UnboundedSender<News>,
    /// What is to be done comes from here.
    pub(super) requests: mpsc::UnboundedReceiver<Request>,
    /// The path of the workload that is looked at.
    pub(super) subject: watch::Receiver<Option<String>>,
}

impl Feed {
    /// Goes on until nobody listens any more, over as many agents as there are in turn.
    pub(super) async fn run(mut self, client: Client) {
        let began = Instant::now();
        let mut client = Some(client);
        let mut heard = began;
        loop {
            let found = match client.take() {
                Some(client) => Ok(client),
                None => Client::connect(&self.socket).await,
            };
            let lost = match found {
                Ok(client) => {
                    let lost = self.serve(client, began).await;
                    heard = Instant::now();
                    lost
                }
                Err(error) => Err(error),
            };
            let why = match lost {
                Err(error) => error.to_string(),
                Ok(()) => "it has hung up".into(),
            };
            let since = u64::try_from(heard.elapsed().as_nanos()).unwrap_or(u64::MAX);
            if self.news.send(News::Lost(why, since)).is_err() {
                return;
            }
            // Nothing is kept for an agent that may never come.
            while let Ok(_request) = self.requests.try_recv() {
                let said = News::Done(Err("no agent answers".into()));
                drop(self.news.send(said));
            }
            sleep(AGAIN).await;
        }
    }

    /// Asks one agent until it goes.
    async fn serve(&mut self, mut client: Client, began: Instant) -> Result<(), ClientError> {
        let mut entries = pin!(client.watch("").await?);
        self.tell(News::Past(past(&mut client, PAST).await?));
        let mut next = Instant::now();
        loop {
            tokio::select! {
                () = sleep_until(next) => {
                    let asked = Instant::now();
                    let mut sample = sample(&mut client, began).await?;
                    let look = self.look(&mut client).await?;
                    let wait = pace(self.interval, asked.elapsed());
                    sample.every_ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
                    next = asked + wait;
                    if let Some(look) = look {
                        self.tell(News::Looked(Box::new(look)));
                    }
                    self.tell(News::Sample(Box::new(sample)));
                }
                entry = entries.next() => match entry {
                    Some(entry) => self.tell(News::Entry(Box::new(entry?))),
                    None => return Ok(()),
                },
                Some(request) = self.requests.recv() => {
                    let said = ask(&mut client, &request).await?;
                    self.tell(News::Done(said));
                    // What it did is to be seen.
                    next = Instant::now();
                }
                Ok(()) = self.subject.changed() => {
                    if let Some(look) = self.look(&mut client).await? {
                        self.tell(News::Looked(Box::new(look)));
                    }
                }
                () = self.news.closed() => return Ok(()),
            }
        }
    }

    /// When nobody listens any more, the loop ends by itself.
    fn tell(&self, news: News) {
        drop(self.news.send(news));
    }

    /// Looks at the workload that the user looks at.
    async fn look(&mut self, client: &mut Client) -> Result<Option<Look>, ClientError> {
        let Some(path) = self.subject.borrow_and_update().clone() else {
            return Ok(None);
        };
        let window = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
        Ok(Some(Look {
            detail: answered(client.show(&path).await)?,
            why: answered(client.why(&path, window).await)?,
            path,
        }))
    }
}

/// So long after one round of questions the next one begins, if this one took so long.
fn pace(interval: Duration, took: Duration) -> Duration {
    interval.max(took * SHARE)
}

/// The node now.
pub(super) async fn sample(client: &mut Client, began: Instant) -> Result<Sample, ClientError> {
    let status = client.status().await?;
    let workloads = client.workloads().await?;
    Ok(Sample {
        at_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        every_ns: 0,
        status,
        workloads,
    })
}

/// The last entries of the journal, oldest first.
pub(super) async fn past(client: &mut Client, last: u32) -> Result<Vec<Entry>, ClientError> {
    client.explain("", last).await
}

async fn ask(
    client: &mut Client,
    request: &Request,
) -> Result<Result<String, String>, ClientError> {
    let done = match request {
        Request::Pin { path, pinned, .. } => client.pin(path, *pinned).await.map(drop),
        Request::Pause(paused) => client.pause(*paused).await.map(drop),
    };
    Ok(answered(done)?.map(|()| request.done()))
}

/// What the agent refuses is an answer; only when it cannot be spoken to it is lost.
fn answered<T>(result: Result<T, ClientError>) -> Result<Result<T, String>, ClientError> {
    match result {
        Ok(answer) => Ok(Ok(answer)),
        Err(
            error @ (ClientError::NotFound(_) | ClientError::Refused(_) | ClientError::Denied(_)),
        ) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_answers_are_asked_for_less_often() {
        let second = Duration::from_secs(1);
        assert_eq!(pace(second, Duration::from_millis(10)), second);
        assert_eq!(pace(second, Duration::from_millis(200)), 4 * second);
    }
}
