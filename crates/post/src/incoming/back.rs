//! Recipients whose address was made here for a letter that was sent on: it leads back to whoever
//! sent that.
//!
//! Not here: how such an address is read (`forwarding`).

use mail::{Address, Enhanced, ForwardPath, Recipient, Refusal, ReversePath};
use trust::srs::Error as NotLed;

use super::Incoming;
use crate::{Elsewhere, Error, Outcome, Route, Why, trace};

impl Incoming {
    /// Takes a recipient whose address leads back to whoever sent a letter that was sent on: for
    /// what is told of that, and for nothing else.
    ///
    /// # Errors
    /// 550 5.1.1 for an address that was not made here or has expired, 550 5.7.1 for letters from
    /// anybody.
    pub(super) async fn lead_back(
        &mut self,
        recipient: Recipient,
        led: Result<Address, NotLed>,
    ) -> Outcome<()> {
        let address = led.map_err(|not_led| {
            let text = match not_led {
                NotLed::Expired => "This address has expired",
                NotLed::NotOurs | NotLed::TooLong => "There is no such user here",
            };
            Error::Refused(
                Why::Nonexistent,
                Refusal::new(550, Enhanced::new(5, 1, 1), text),
            )
        })?;
        if self.sender.reverse_path != ReversePath::Null {
            return Err(trace::foreign("This address takes reports only"));
        }
        let path = ForwardPath::Address(address);
        let recipient = Recipient {
            forward_path: path.clone(),
            ..recipient
        };
        let house = self.house.clone();
        match house.route(&path) {
            Route::Local(accounts) => self.take_local(recipient, accounts).await,
            Route::Forwarded {
                accounts,
                addresses,
            } => self.forward(recipient, accounts, addresses).await,
            Route::Elsewhere | Route::Relayed { .. }
                if house.rules().elsewhere == Elsewhere::Relay =>
            {
                house.queue_has_room()?;
                self.add_relayed(recipient);
                Ok(())
            }
            Route::Elsewhere | Route::Relayed { .. } => {
                Err(trace::foreign("Mail for other hosts is not sent from here"))
            }
            Route::Nowhere(refusal) => Err(Error::Refused(Why::Nonexistent, refusal)),
        }
    }
}
